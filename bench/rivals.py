"""Other people's builders of images for several platforms, with plain QEMU.

Each starts from a base image in a registry on this machine, and builds a context without
cache.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.emulation.binfmt import MOUNT_POINT, mount_private, register
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from measure import output, timed
from workloads import FOREIGN, NATIVE


class AbsentError(Exception):
    """The rival cannot be measured on this machine; the message says why."""


class Buildah:
    """Debian's buildah with a storage of its own, in namespaces as amphora makes them."""

    def __init__(self, work: Path, base: str, context: Path) -> None:
        storage = ("--root", str(work / "buildah"), "--runroot", "/run/buildah")
        self._command = ["buildah", *storage, "--storage-driver", "overlay"]
        self._base = base
        self._context = context
        for platform in (NATIVE, FOREIGN):
            pull = ("pull", "--quiet", "--tls-verify=false", "--platform", platform)
            run_inside_namespaces([*self._command, *pull, base])

    def build(self, platforms: str) -> float:
        """The seconds it takes, at most as many platforms at a time as there are CPUs."""
        command = [*self._command, "build", "--isolation", "chroot", "--no-cache"]
        base = f"debian:trixie=docker-image://{self._base}"
        options = ("--tls-verify=false", "--build-context", base, "--platform", platforms)
        at_once = ("--jobs", str(len(os.sched_getaffinity(0))))
        return run_inside_namespaces([*command, *options, *at_once, str(self._context)])


class BuildKit:
    """docker's, by `docker buildx`, in the root directory that BENCH_PEERS names.

    "/" for this machine's own docker. It has to be up, to keep images in containerd (for
    those of several platforms), and to reach this machine's loopback address. Raises
    AbsentError. Leaves nothing but what docker's build cache drops on its own.
    """

    _IMAGE = "amphora-bench/example"

    def __init__(self, base: str, context: Path) -> None:
        root = os.environ.get("BENCH_PEERS")
        if not root:
            raise AbsentError("BENCH_PEERS names no directory with docker in it")
        if os.geteuid() != 0:
            raise AbsentError("it takes root to register QEMU for it")
        self._docker = ["chroot", root, "docker"]
        asked = subprocess.run([*self._docker, "version"], capture_output=True, check=False)
        if asked.returncode != 0:
            raise AbsentError("docker does not answer in BENCH_PEERS")
        self._base = base
        self._scratch = Path(tempfile.mkdtemp(prefix="amphora-bench-", dir=Path(root, "tmp")))
        self._context = Path("/") / self._scratch.relative_to(root) / "context"
        shutil.copytree(context, self._scratch / "context")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._scratch)
        for archive in Path(self._docker[1], "tmp").glob(f"bench-{os.getpid()}.tar"):
            archive.unlink()
        subprocess.run([*self._docker, "image", "rm", self._IMAGE], check=False)

    def build(self, platforms: str, *options: str) -> float:
        """The seconds it takes, with QEMU registered meanwhile; the options are buildx's."""
        command = [*self._docker, "buildx", "build", "--quiet", *options]
        base = f"debian:trixie=docker-image://{self._base}"
        fixed = ("--network", "host", "--build-context", base, "--platform", platforms)
        if "--output" not in options:
            fixed = (*fixed, "--tag", self._IMAGE)
        with _registered():
            return timed([*command, *fixed, str(self._context)])


def run_inside_namespaces(command: list[str]) -> float:
    """The seconds that a command takes in namespaces as amphora makes them: see inside.py."""
    script = str(Path(__file__).with_name("inside.py"))
    return float(output([sys.executable, script, *command]))


@contextmanager
def _registered() -> Iterator[None]:
    """Have the whole machine run the foreign platform's programs in the QEMU that we use.

    Under a name of our own, so that it comes before what is there already, and can go.
    """
    elf_format = FORMATS[Platform.parse(FOREIGN).architecture]
    emulator = find_emulator(elf_format)
    if emulator is None:
        raise SystemExit(f"there is no QEMU for {FOREIGN}")
    ours = replace(elf_format, qemu_cpu=f"{elf_format.qemu_cpu}-amphora-bench")
    # Outside of namespaces what is mounted is the machine's own.
    mounted = not (MOUNT_POINT / "register").exists() and mount_private()
    entry = MOUNT_POINT / ours.entry
    try:
        _remove(entry)  # which a run that was killed has left
        register(ours, emulator.path)
        yield
    finally:
        _remove(entry)
        if mounted:
            output(["umount", str(MOUNT_POINT)])


def _remove(entry: Path) -> None:
    if entry.exists():
        entry.write_text("-1")
