"""The example image, built by Amphora (with handoff and without) and by Debian's buildah.

Both build from the same base (made by `amphora base create`), without cache, one
platform at a time, in the same user namespace with the same emulator registered, the
runs taking turns. What is timed is the whole command, as a person would type it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from amphora.core.platform import Platform
from amphora.emulation.support import Emulation
from amphora.system import syscalls
from measure import Measured, table, timed

PLATFORMS = ("linux/amd64", "linux/arm64")
RUNS = 5
EXAMPLE = Path(__file__).parents[1] / "examples/tally"
AMPHORA = str(Path(sys.executable).with_name("amphora"))


def run(work: Path) -> str:
    """Measure in a scratch directory; returns the section of the report. Needs the worker."""
    emulation = Emulation()
    executions = emulation.prepare(map(Platform.parse, PLATFORMS))
    syscalls.mount("tmpfs", Path("/run"), "tmpfs")
    bases = _make_base(work)
    rows = []
    for platform in PLATFORMS:
        exact, off, theirs = Measured("handoff"), Measured("off"), Measured("buildah")
        peer = Buildah(work, platform, bases)
        timed(_our_command(work, platform, "exact"))  # fetches the counterparts, which are kept
        for _ in range(RUNS):
            exact.seconds.append(timed(_our_command(work, platform, "exact")))
            off.seconds.append(timed(_our_command(work, platform, "off")))
            theirs.seconds.append(timed(peer.command))
        emulator = executions[Platform.parse(platform)].emulator or "native"
        rows.append(
            [
                f"`{platform}` ({emulator})",
                f"{theirs.median:.2f} s",
                *_cells(exact, theirs),
                *_cells(off, theirs),
            ]
        )
    headings = ["amphora", "ratio", "amphora `--handoff=off`", "ratio"]
    return table(["platform", "buildah", *headings], rows)


def _cells(ours: Measured, theirs: Measured) -> tuple[str, str]:
    return f"{ours.median:.2f} s", f"**{ours.median / theirs.median:.2f}×**"


def _our_command(work: Path, platform: str, handoff: str) -> list[str]:
    options = ["--platform", platform, "--no-cache", "--quiet", "--handoff", handoff]
    return [AMPHORA, "--store", str(work / "store"), "build", *options, str(EXAMPLE)]


def _make_base(work: Path) -> Path:
    """The base image in our store, and as an OCI layout for the peer."""
    base = ["base", "create", "debian:trixie", "--include", "gcc,libc6-dev,make"]
    subprocess.run(
        [AMPHORA, "--store", work / "store", *base, "--platform", ",".join(PLATFORMS)], check=True
    )
    layout = work / "layout"
    shutil.copytree(work / "store/blobs", layout / "blobs")
    shutil.copy(work / "store/oci-layout", layout)
    shutil.copy(work / "store/index.json", layout)
    return layout


class Buildah:
    """Debian's buildah with a storage of its own that holds the base of one platform."""

    def __init__(self, work: Path, platform: str, layout: Path) -> None:
        architecture = platform.partition("/")[2]
        storage = work / f"buildah-{architecture}"
        self._prefix = [
            *("buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run")),
            *("--storage-driver", "overlay"),
        ]
        single = f"oci:{storage}/base"
        storage.mkdir()
        source = f"oci:{layout}:docker.io/library/debian:trixie"
        choose = f"--override-arch={architecture}"
        subprocess.run(["skopeo", "copy", "--quiet", choose, source, single], check=True)
        subprocess.run([*self._prefix, "pull", "--quiet", single], check=True)
        images = subprocess.run(
            [*self._prefix, "images", "--json"], check=True, capture_output=True
        )
        identity = json.loads(images.stdout)[0]["id"]
        subprocess.run([*self._prefix, "tag", identity, "localhost/base"], check=True)
        dockerfile = storage / "Dockerfile"
        text = (EXAMPLE / "Dockerfile").read_text()
        dockerfile.write_text(text.replace("FROM debian:trixie", "FROM localhost/base"))
        self.command = [
            *(*self._prefix, "build", "--isolation", "chroot", "--pull-never", "--no-cache"),
            *("--platform", platform, "--file", str(dockerfile), str(EXAMPLE)),
        ]
