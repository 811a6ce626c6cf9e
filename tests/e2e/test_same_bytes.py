"""What handoff builds is what pure emulation builds: the short form of `make same-bytes`.

Shells, text tools and archives, on a base of Debian's packages for two platforms. The
compilers need a base of a gigabyte; they are compared by `make same-bytes` only.
"""

import json
from dataclasses import replace

import pytest
from cpus import FOREIGN, NATIVE

from amphora.core.platform import Platform
from layers import compare

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

NARROW = "linux/arm/v7"


@pytest.fixture
def both_ways(context, tmp_path):
    """Build without handoff, twice, and with it; returns its account, and how they compare."""

    def build(program, dockerfile, platform=FOREIGN):
        program = replace(program, environment={"SOURCE_DATE_EPOCH": "1700000000"})
        directory = context(dockerfile)
        report = tmp_path / "report.json"
        common = ("--platform", platform, "--no-cache", "--quiet", directory)
        program.ok("build", "-t", "off-1", "--handoff", "off", *common)
        program.ok("build", "-t", "off-2", "--handoff", "off", *common)
        program.ok("build", "-t", "exact", "--handoff-report", report, *common)
        account = json.loads(report.read_text())[0]
        found = compare(program.store, ("off-1", "off-2"), "exact", Platform.parse(platform))
        return account, found

    return build


WORK = r"""FROM tools
WORKDIR /work
RUN set -e; \
    i=0; while [ $i -lt 12 ]; do \
        echo "line $i" | sed s/line/row/ | tr a-z A-Z; i=$((i+1)); done > rows; \
    mawk '{ s += $2 / 3 } END { printf "%.17g\n", s }' rows > sum; \
    ls -A / > listing; env | grep -v HOSTNAME > environment; \
    sha256sum rows | cut -c1-64 > digest; sort -k2n rows | uniq -c | tail -n 3 > last; \
    mkdir -p deep/er && chmod 2750 deep && ln -s rows linked && ln rows hard && mknod pipe p; \
    chown 8:12 sum; cp -a deep copied; touch -d @86400 old; install -m 640 rows installed; \
    tar --sort=name --mtime=@0 -cf rows.tar rows deep linked; \
    for each in gzip\ -n bzip2 xz; do $each -9c rows.tar > "rows.tar.${each%% *}"; done; \
    tar -xf rows.tar.xz -C deep; find deep -type f | LC_ALL=C sort | xargs -n 2 wc -c > sizes; \
    diff rows sum > differences || true; uname -m > machine; \
    cat /proc/sys/kernel/random/uuid > chance; \
    sh -c 'echo "$0 $#" "$@"' name one "two words" '' > arguments; \
    (ls nowhere; cat < nowhere; tar -xf nowhere; grep -q '[' rows) 2> errors || true; \
    ls /dev > devices
"""


#: Debian's busybox runs what it can in its own process: only a path is executed.
APPLETS = r"""FROM busybox
WORKDIR /work
RUN set -e; for path in $(/bin/ls /bin/[d-f]*); do \
        echo "$path" | /bin/sed s/bin/BIN/ | /bin/tr a-z A-Z | /bin/cut -c2- >> rows; done; \
    /bin/awk '{ s += NR / 3 } END { printf "%.17g\n", s }' rows > sum; \
    /bin/printf '%s %d %.3f\n' text 42 2.5 > printed; /bin/busybox head -n 3 rows > first; \
    /bin/sha256sum rows > digest; /bin/md5sum rows >> digest; /bin/crc32 rows >> digest; \
    /bin/sort -r rows | /bin/uniq -c | /bin/tail -n 3 > last; /bin/nl rows > numbered; \
    /bin/mkdir -p deep/er; /bin/chmod 2750 deep; /bin/ln -s rows linked; /bin/mkfifo pipe; \
    /bin/chown 8:12 sum; /bin/cp -a deep copied; /bin/touch -d @86400 old; /bin/mv old older; \
    /bin/install -m 640 rows installed; /bin/dd if=rows of=part bs=7 count=9 2> /dev/null; \
    /bin/gzip -k rows; /bin/zcat rows.gz | /bin/bzip2 > rows.bz2; \
    /bin/tar -cf older.tar older; /bin/find deep > found; /bin/wc rows > count; \
    /bin/diff rows sum > differences || true; /bin/expr 6 \* 7 > product; \
    /bin/paste sum sum > two; /bin/base64 rows > coded; /bin/fold -w 9 coded > folded; \
    /bin/rev sum > turned; /bin/grep -c BIN rows > grepped; /bin/basename /a/b > name; \
    /bin/stat -c %a deep > mode; \
    /bin/uname -m > machine; /bin/busybox arch >> machine; /bin/env uname -m >> machine; \
    /bin/cat /proc/sys/kernel/random/uuid > chance
"""


def test_layers_are_the_same_to_the_byte(tools, both_ways):
    account, found = both_ways(tools, WORK)
    assert account["share"] > 0.9
    assert "/usr/bin/uname" in account["emulated"]
    assert found.varying == ["work/chance"]
    assert found.differing == []
    assert found.entries > 20


#: Numbers that do not fit into a word of 32 bits, or only without a sign.
NUMBERS = r"""
RUN for n in 2147483647 2147483648 4294967296 9007199254740993 18446744073709551615; do \
        mawk "BEGIN { x = $n; a[x]; for (k in a) print k, x, x + 1, x % 7, int(x / 3); \
            printf \"%d %i %x %u %s\n\", x, x, x, x, x }"; \
        expr $n + 1; dash -c "echo \$(($n + 1)) \$(($n << 3))"; date -ud @$n; test $n -gt 5; \
        head -c $n rows; tail -n $n rows; grep -m $n row rows; cut -c1-$n rows; \
        truncate -s $n big; stat -c %s big; du --apparent-size big; find big -size +1000c; \
        nl -v $n rows; shuf -i 1-9 -n $n --random-source=rows.tar; touch -d @$n big; ls -l big; \
        chown $n rows; chmod $n rows; nice -n $n true; xargs -n $n < rows; rm -f big; \
    done > numbers 2>&1 || true; wc numbers
"""


def test_words_of_32_bits(tools, both_ways):
    account, found = both_ways(tools, WORK.replace("tools", "tools:32", 1) + NUMBERS, NARROW)
    assert account["share"] > 0.9
    assert found.varying == ["work/chance"]
    assert found.differing == []


def test_applets_of_busybox_write_the_same_bytes(seeded, both_ways):
    """Thirty and more are handed off; its shell, which would tell this CPU, is not."""
    account, found = both_ways(seeded, APPLETS)
    applets = {name.rpartition("/")[2] for name in account["handed_off"]}
    assert len(applets) >= 30
    assert applets.isdisjoint({"sh", "uname", "arch", "env", "find", "tar"})
    assert account["handed_off"]["/bin/busybox"] == 1
    assert {"/bin/sh", "/bin/uname", "/bin/busybox"} <= set(account["emulated"])
    assert account["share"] > 0.9
    assert found.varying == ["work/chance"]
    assert found.differing == []
    assert found.entries > 30


def test_a_difference_is_found_and_noise_is_set_aside(seeded, context):
    script = (
        "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /chance; echo {} > /said; : > /{}\n"
    )
    seeded = replace(seeded, environment={"SOURCE_DATE_EPOCH": "1700000000"})
    for name, word in {"one": "same", "two": "same", "three": "other"}.items():
        directory = context(script.format(word, word))
        seeded.ok("build", "--no-cache", "--quiet", "-t", name, directory)
    found = compare(seeded.store, ("one", "two"), "three", Platform.parse(NATIVE))
    assert found.varying == ["chance"]
    assert found.differing == ["other", "said", "same"]
