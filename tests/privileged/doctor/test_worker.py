"""Proofs in a worker of its own: all good, and each thing broken for real."""

import asyncio
import shutil
from pathlib import Path

import pytest

from amphora.core.descriptor import OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.doctor.image import check_image, entries_of
from amphora.doctor.worker import prove
from amphora.emulation.support import Emulation
from amphora.oci.archive import import_archive
from amphora.oci.graph import UNKNOWN
from amphora.oci.store import Store
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

HOST = Platform.host()
FOREIGN = Platform.parse("linux/amd64" if HOST.architecture == "arm64" else "linux/arm64")
EMULATORS = {"linux/arm64": "qemu-aarch64-static", "linux/amd64": "qemu-x86_64-static"}


def proven(root, store=True):
    """What the proofs say, by name: verdict, and what was seen with its command."""

    async def listed():
        opened = Store(root) if store else None
        return {
            check.name: (str(check.verdict), f"{check.seen}: {check.command}")
            async for check in prove(opened)
        }

    return asyncio.run(listed())


def cover(program, content):
    """Put a program of ours over one of the system, in this namespace only."""
    path = Path(shutil.which(program)).resolve()
    own = Path("/run", path.name)
    own.write_text(content)
    own.chmod(0o755)
    syscalls.mount(str(own), path, None, syscalls.MS_BIND)


@pytest.fixture
def proofs(in_worker, tmp_path):
    def call(prepare=lambda: None, **options):
        def inside():
            syscalls.mount("none", Path("/run"), "tmpfs")
            prepare()
            return proven(tmp_path / "store", **options)

        return in_worker(inside)

    return call


def test_a_good_machine_proves_everything(proofs, tmp_path):
    found = proofs()
    names = ("worker", "binfmt_misc of our own", "overlay", str(HOST), str(FOREIGN))
    containers = (f"container for {HOST}", f"container for {FOREIGN}")
    for name in (*names, *containers):
        assert found[name][0] == "ok", found[name]
    assert "natively" in found[str(HOST)][1]
    assert "emulated by qemu-" in found[str(FOREIGN)][1]
    assert found["network of a container"][0] in {"ok", "warning"}
    assert list((tmp_path / "store/work").iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_an_emulator_that_is_broken(proofs):
    found = proofs(lambda: cover(EMULATORS[str(FOREIGN)], "#!/bin/sh\nexit 1\n"))
    verdict, told = found[str(FOREIGN)]
    assert verdict == "problem"
    assert "sudo apt-get install --reinstall qemu-user-static" in told
    assert found[f"container for {HOST}"][0] == "ok"
    assert f"container for {FOREIGN}" not in found


def test_an_emulator_that_runs_and_emulates_nothing(proofs):
    script = "#!/bin/sh\necho qemu version 7.2.22\n"
    verdict, told = proofs(lambda: cover(EMULATORS[str(FOREIGN)], script))[str(FOREIGN)]
    assert verdict == "problem"
    assert "failed to run a three-instruction program" in told


def test_a_version_with_known_crashes_is_told(proofs):
    """An emulator that calls itself one of these, and else is the real one."""

    def prepare():
        path = Path(shutil.which("qemu-aarch64-static")).resolve()
        real = Path("/run/real")
        shutil.copy(path, real)
        cover(
            "qemu-aarch64-static",
            '#!/bin/sh\n[ "$1" = --version ] && echo "qemu-aarch64 version 9.2.2" && exit\n'
            'shift; exec /run/real "$@"\n',
        )

    if FOREIGN.architecture != "arm64":
        pytest.skip("the known crashes are of ARM64")
    verdict, told = proofs(prepare)["linux/arm64"]
    assert verdict in {"warning", "problem"}
    if verdict == "warning":
        assert "known of it: ldconfig of Debian 11 crashes" in told


def test_no_emulators_at_all(proofs):
    """Debian's names of them are gone from PATH, in this namespace only."""

    def prepare():
        directory = Path(shutil.which("qemu-aarch64-static")).parent
        for name in ("upper", "work"):
            Path("/run", name).mkdir()
        options = f"lowerdir={directory},upperdir=/run/upper,workdir=/run/work,userxattr"
        syscalls.mount("overlay", directory, "overlay", 0, options)
        for path in directory.glob("qemu-*"):
            path.unlink()

    found = proofs(prepare)
    verdict, told = found[str(FOREIGN)]
    assert verdict == "problem"
    assert "sudo apt-get install qemu-user-static" in told
    verdict, told = found["other platforms"]
    assert verdict == "warning"
    assert "linux/riscv64" in told


def test_a_runtime_that_is_broken_or_missing(proofs):
    broken = proofs(lambda: cover("crun", "#!/bin/sh\necho crun version 1\nexit 3\n"))
    verdict, told = broken[f"container for {HOST}"]
    assert verdict == "problem"
    assert "crun ended with status 3; crun version 1" in told

    def remove():
        syscalls.mount("/dev/null", Path(shutil.which("crun")).resolve(), None, syscalls.MS_BIND)

    verdict, told = proofs(remove)["containers"]
    assert verdict == "problem"
    assert "sudo apt-get install crun" in told


def test_without_pasta_the_reason_and_the_package_are_told(proofs):
    def remove():
        syscalls.mount("/dev/null", Path(shutil.which("pasta")).resolve(), None, syscalls.MS_BIND)

    verdict, told = proofs(remove)["network of a container"]
    assert verdict == "warning"
    assert "sudo apt-get install passt" in told


def test_without_a_store_the_rest_is_proven(proofs):
    found = proofs(store=False)
    assert found["containers"][0] == "warning"
    assert found[str(FOREIGN)][0] == "ok"


def descriptor(platform, seed="a"):
    return Descriptor(OCI_MANIFEST, Digest("sha256", seed * 64), 1, platform)


def looked_at(in_worker, entries, name="it"):
    def inside():
        return [
            (check.name, str(check.verdict), f"{check.seen}: {check.command}")
            for check in check_image(name, entries, Emulation())
        ]

    return in_worker(inside)


def test_an_image_of_the_store(in_worker, busybox_archive, tmp_path):
    store = Store(tmp_path / "store")
    with busybox_archive.open("rb") as archive:
        (image,) = import_archive(store, archive)
    told = looked_at(in_worker, entries_of(store.blobs, image.descriptor))
    assert [(name, verdict) for name, verdict, _ in told] == [
        ("linux/amd64", "ok"),
        ("linux/arm64", "ok"),
    ]
    single = entries_of(store.blobs, image.descriptor)[0]
    assert entries_of(store.blobs, single) == [single]


def test_an_image_that_is_not_for_this_machine(in_worker):
    told = looked_at(in_worker, [descriptor(FOREIGN)])
    assert [(name, verdict) for name, verdict, _ in told] == [
        (str(FOREIGN), "ok"),
        ("it", "warning"),
    ]
    assert f"amphora run --platform {FOREIGN} it" in told[1][2]


def test_oddities_of_an_index(in_worker):
    windows = Platform("windows", "amd64")
    entries = [descriptor(each) for each in (HOST, HOST, UNKNOWN, UNKNOWN, windows, None)]
    told = {name: (verdict, text) for name, verdict, text in looked_at(in_worker, entries)}
    assert told[str(HOST)][0] == "ok"
    assert told["windows/amd64"][0] == "warning"
    assert told["unknown/unknown"][0] == "warning"
    assert "2 attestations" in told["unknown/unknown"][1]
    assert told["platforms"][0] in {"problem", "warning"}
    assert [name for name, _, _ in looked_at(in_worker, entries)].count("platforms") == 2


def test_nothing_to_run(in_worker):
    told = looked_at(in_worker, [descriptor(UNKNOWN)])
    assert told[0][:2] == ("it", "problem")
    vax = looked_at(in_worker, [descriptor(Platform("linux", "vax"))])
    assert vax[0][:2] == ("linux/vax", "problem")
