"""What handoff builds is what pure emulation builds: the short form of `make same-bytes`.

Shells, text tools and archives, on a base of Debian's packages for two platforms. The
compilers need a base of a gigabyte; they are compared by `make same-bytes` only.
"""

import json
from dataclasses import replace

import pytest

from amphora.core.platform import Platform
from layers import compare

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

NATIVE, FOREIGN = "linux/amd64", "linux/arm64"
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


def test_layers_are_the_same_to_the_byte(tools, context, tmp_path):
    directory = context(WORK)
    report = tmp_path / "report.json"
    common = ("--platform", FOREIGN, "--no-cache", "--quiet", directory)
    tools.ok("build", "-t", "off-1", "--handoff", "off", *common)
    tools.ok("build", "-t", "off-2", "--handoff", "off", *common)
    tools.ok("build", "-t", "exact", "--handoff-report", report, *common)
    [account] = json.loads(report.read_text())
    assert account["share"] > 0.9
    assert "/usr/bin/uname" in account["emulated"]
    found = compare(tools.store, ("off-1", "off-2"), "exact", Platform.parse(FOREIGN))
    assert found.varying == ["work/chance"]
    assert found.differing == []
    assert found.entries > 20


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
