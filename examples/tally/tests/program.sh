#!/bin/sh
# The program as a whole: what it prints and how it ends.
set -eu
tally=$1

expect() {
    if [ "$2" != "$3" ]; then
        printf 'program.sh: %s\nexpected: %s\n     got: %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
}

text='An amphora is a container with two handles.
Amphorae carried wine, oil and grain; a handle on each side, two to carry.'

expect "count" "carri 1" "$(printf %s carried | "$tally" count -s | tr -s ' ')"
expect "count csv" "word,count two,2" "$(echo "$text" | "$tally" count -n 1 -f csv | tr -d '\r' | xargs)"
expect "pairs" "a container 1" "$(echo "$text" | "$tally" pairs -n 1 | tr -s ' ')"
expect "find" "2: Amphorae" "$(echo "$text" | "$tally" find 'amphora* not container' | cut -c1-11)"
expect "near" "amphora 0 amphorae 1" "$(echo "$text" | "$tally" near amphora | xargs)"
expect "stats" "lines 2" "$(echo "$text" | "$tally" stats | head -n 1 | tr -s ' ')"

status=0
echo "$text" | "$tally" find beer || status=$?
expect "nothing found" 1 "$status"
status=0
"$tally" count /nowhere 2>/dev/null || status=$?
expect "no file" 1 "$status"
status=0
"$tally" find '(' 2>/dev/null </dev/null || status=$?
expect "no query" 2 "$status"
