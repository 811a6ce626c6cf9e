"""Six CPUs beside this one, with Debian's own busybox of each: run, verified, as root and not."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from debian import unpack

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.archive import import_archive, save_archive
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

#: Debian's port and what `uname -m` says, by platform. A CPU that runs 386 says what it is.
PLATFORMS = {
    "linux/arm64": ("arm64", "aarch64"),
    "linux/arm/v7": ("armhf", "armv7l"),
    "linux/riscv64": ("riscv64", "riscv64"),
    "linux/s390x": ("s390x", "s390x"),
    "linux/ppc64le": ("ppc64el", "ppc64le"),
    "linux/386": ("i386", "x86_64" if platform.machine() == "x86_64" else "i686"),
}


@pytest.fixture(scope="module")
def archive(made_once) -> Path:
    """An OCI archive of `six:latest`: a shell that says what it runs on."""
    return made_once("six.tar", _archive)


def _archive(directory):
    # From the main archive that this machine uses.
    asked = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    places = subprocess.check_output(asked, text=True).split()
    mirror = next((place for place in places if "security" not in place), "")
    lines = [f"deb {mirror} trixie main"] if mirror else []
    unpack(directory, [port for port, _ in PLATFORMS.values()], "busybox-static", *lines)
    store = Store(directory / "store")
    manifests = [_put_variant(store, directory, name) for name in PLATFORMS]
    path = directory / "six.tar"
    save_archive(store.blobs, [(Reference.parse("six"), put_index(store.blobs, manifests))], path)
    return path


def _put_variant(store, directory, name):
    port, _ = PLATFORMS[name]
    root = directory / f"root-{port}"
    (root / "bin").mkdir(parents=True)
    shutil.copy(directory / port / "usr/bin/busybox", root / "bin/busybox")
    for applet in ("sh", "uname", "id"):
        (root / "bin" / applet).symlink_to("busybox")
    with LayerWriter(store.blobs) as writer:
        write_tree(root, writer, clamp_mtime=0)
        layer = writer.commit()
    config = ImageConfig(
        Platform.parse(name),
        ContainerConfig(env=("PATH=/bin",), cmd=("sh", "-c", "uname -m | (read it; echo $it)")),
        (layer.diff_id,),
    )
    return put_image(store.blobs, config, [layer.descriptor])


@pytest.fixture(params=["root", "user"])
def program(request, amphora, archive):
    """The program with `six:latest` in its store, as root and as an ordinary user."""
    if request.param == "user":
        if os.geteuid() != 0:
            pytest.skip("whoever is not root is that user already")
        return request.getfixturevalue("started_by_user")(archive)
    with archive.open("rb") as file:
        import_archive(Store(amphora.store), file)
    return amphora


def test_every_platform_runs(program):
    said = {
        name: program.ok("run", "--rm", "--platform", name, "six").strip() for name in PLATFORMS
    }
    assert said == {name: machine for name, (_, machine) in PLATFORMS.items()}


def test_every_platform_is_verified(program):
    reports = json.loads(program.ok("verify", "--format", "json", "six"))
    said = {report["platform"]: report["output"].strip() for report in reports}
    assert said == {name: machine for name, (_, machine) in PLATFORMS.items()}
    assert {report["problem"] for report in reports} == {None}
    assert [report["findings"] for report in reports] == [[]] * len(PLATFORMS)


def test_every_platform_is_built(program):
    context = program.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM six\nRUN uname -m > /machine\n")
    arguments = ("build", "--platform", ",".join(PLATFORMS), "--format", "json", context)
    built = json.loads(program.ok(*arguments))
    assert {each["platform"] for each in built["variants"]} == set(PLATFORMS)


def test_doctor_knows_every_platform(program):
    said = program.ok("doctor", "six")
    assert [name for name in PLATFORMS if not re.search(rf"{name}\b", said)] == []
