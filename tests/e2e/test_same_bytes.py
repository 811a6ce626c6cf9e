"""What handoff builds is what pure emulation builds: the short form of `make same-bytes`.

Shells, text tools and archives, on a base of Debian's packages for two platforms. The
compilers need a base of a gigabyte; they are compared by `make same-bytes` only.
"""

import json
import subprocess
from dataclasses import replace

import pytest

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store
from layers import compare

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

NATIVE, FOREIGN = "linux/amd64", "linux/arm64"
PACKAGES = "base-files,dash,coreutils,sed,grep,tar,gzip,bzip2,xz-utils,findutils,mawk,diffutils"

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


def put_base(store, roots):
    manifests = []
    for name, root in roots.items():
        with LayerWriter(store.blobs) as writer:
            write_tree(root, writer, clamp_mtime=0)
            layer = writer.commit()
        config = ImageConfig(
            Platform.parse(name),
            ContainerConfig(env=("PATH=/usr/bin:/bin",)),
            (layer.diff_id,),
            created="1970-01-01T00:00:00Z",
        )
        manifests.append(put_image(store.blobs, config, [layer.descriptor]))
    store.tag(Reference.parse("tools"), put_index(store.blobs, manifests))


@pytest.fixture
def tools(amphora, in_worker, tmp_path):
    """The program with the image `tools` in its store, and a fixed time of building."""
    roots = {name: tmp_path / name.partition("/")[2] for name in (NATIVE, FOREIGN)}

    def extract():
        options = ("--quiet", "--mode=root", "--variant=extract", "--format=directory")
        what = (f"--include={PACKAGES}", "trixie")
        running = [
            subprocess.Popen(
                ["mmdebstrap", *options, f"--architectures={root.name}", *what, str(root)]
            )
            for root in roots.values()
        ]
        assert [process.wait() for process in running] == [0, 0]

    in_worker(extract)
    in_worker(lambda: put_base(Store(amphora.store), roots))
    return replace(amphora, environment={"SOURCE_DATE_EPOCH": "1700000000"})


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
