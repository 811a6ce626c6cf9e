# Installs the packages given as NAME=VERSION, compiled for this CPU, in the native variant
# of an image: each in the very version asked for (a cross compiler's may end in crossN), or,
# if the first argument is `nearest`, in the nearest revision of the same upstream version.
# One that cannot be had is left out: what it would stand in for stays in the emulator.
set -eu

which=$1
shift

# The first of the available versions, newest first, that is the wanted one.
exact() {
    wanted=$1
    shift
    for each in "$@"; do
        case $each in
        "$wanted" | "$wanted"cross[0-9]*) echo "$each" && return ;;
        esac
    done
}

# The oldest that is not older than the wanted one, or else the newest that is.
nearest() {
    wanted=$1 found=
    shift
    for each in "$@"; do
        [ "${each%-*}" = "${wanted%-*}" ] || continue
        [ "$found" ] && dpkg --compare-versions "$each" lt "$wanted" && break
        found=$each
    done
    echo "$found"
}

# Without an index nothing is known of what can be had: better to fail, and try again next time.
apt-get update -qq -o APT::Update::Error-Mode=any
chosen=
for package in "$@"; do
    name=${package%%=*} version=${package#*=}
    # Unquoted, as below: one word for each.
    available=$(apt-cache madison "$name" | cut -d'|' -f2)
    found=$(exact "$version" $available)
    [ "$found" ] || [ "$which" = exact ] || found=$(nearest "$version" $available)
    [ -z "$found" ] || chosen="$chosen $name=$found"
done
if [ -n "$chosen" ]; then
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $chosen >/dev/null
fi
