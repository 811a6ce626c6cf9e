"""What end-to-end tests share: a served registry, and a look at what a command left behind."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cpus import FOREIGN, NATIVE
from debian import unpack

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.archive import import_archive, save_archive
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store

#: Seconds that the kernel may take to end what belonged to a killed program.
_PATIENCE = 30


@pytest.fixture
def serving(amphora):
    """Serve with `amphora registry serve` on a free port while somebody uses it: HOST:PORT."""

    @contextmanager
    def serve(*flags, before=()) -> Iterator[str]:
        server = subprocess.Popen(
            amphora.command(*before, "registry", "serve", "--port", "0", *flags),
            env={**amphora.environ(), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        with server:
            try:
                yield server.stdout.readline().strip().removeprefix("serving http://")
            finally:
                server.terminate()

    return serve


@pytest.fixture
def registry(serving) -> Iterator[str]:
    """`amphora registry serve` on a free port; its HOST:PORT."""
    with serving() as place:
        yield place


@pytest.fixture
def called_otherwise(registry, tmp_path):
    """The registry by a name that is no loopback address to anybody, and who is told of it.

    HOST:PORT, and the program with an /etc/hosts of its own.
    """
    (tmp_path / "hosts").write_text("127.0.0.1 registry.example localhost\n")
    script = f'mount --bind {tmp_path}/hosts /etc/hosts && exec "$@"'

    def make(amphora):
        return replace(amphora, prefix=("unshare", "--mount", "sh", "-ec", script, "sh"))

    return registry.replace("127.0.0.1", "registry.example"), make


#: Packages of the image `tools`: a shell, text tools and archives.
_PORTS = {
    **{name: name.removeprefix("linux/") for name in (NATIVE, FOREIGN)},
    "linux/arm/v7": "armhf",
}
_TOOLS = "base-files,dash,coreutils,sed,grep,tar,gzip,bzip2,xz-utils,findutils,mawk,diffutils"


@pytest.fixture(scope="session")
def tools_archive(made_once) -> Path:
    """An OCI archive of `tools:latest` for two platforms, `alone` for the foreign one.

    `tools:32` is for this platform and one with words of 32 bits.
    """
    return made_once("tools.tar", _archive_tools)


@pytest.fixture
def tools(amphora, tools_archive):
    """The program with those images in its store, and a fixed time of building."""
    with tools_archive.open("rb") as archive:
        import_archive(Store(amphora.store), archive)
    return replace(amphora, environment={"SOURCE_DATE_EPOCH": "1700000000"})


def _archive_tools(directory: Path) -> Path:
    # Updates do not come to all ports at the same time.
    released = "--setup-hook=sed -i -e /-updates/d -e /-security/d $1/etc/apt/sources.list"
    unpack(directory, _PORTS.values(), _TOOLS, released)
    store = Store(directory / "store")
    manifests = []
    for name, port in _PORTS.items():
        with LayerWriter(store.blobs) as writer:
            write_tree(directory / port, writer, clamp_mtime=0)
            layer = writer.commit()
        config = ImageConfig(
            Platform.parse(name),
            ContainerConfig(env=("PATH=/usr/bin:/bin",)),
            (layer.diff_id,),
            created="1970-01-01T00:00:00Z",
        )
        manifests.append(put_image(store.blobs, config, [layer.descriptor]))
    native, foreign, narrow = manifests
    images = {"tools": [native, foreign], "alone": [foreign], "tools:32": [native, narrow]}
    named = [(Reference.parse(name), put_index(store.blobs, each)) for name, each in images.items()]
    archive = directory / "tools.tar"
    save_archive(store.blobs, named, archive)
    return archive


@dataclass(frozen=True)
class Remains:
    """What commands left behind: processes, mounts, files that are only there meanwhile."""

    home: Path

    def processes(self, word: str | None = None) -> list[str]:
        """Command lines of those with the word (default: the home directory) in them.

        Or in their environment; the served registry is not meant.
        """
        needle = (word or str(self.home)).encode()
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                command = (directory / "cmdline").read_bytes()
                text = command + (directory / "environ").read_bytes()
            except OSError:
                continue
            if needle in text and b"\0serve\0" not in command:
                found.append(f"{directory.name}: {command.replace(bytes(1), b' ').decode()}")
        return [line for line in found if not line.startswith(f"{os.getpid()}:")]

    def wait_for_processes(self, word: str | None = None) -> None:
        """After a kill -9 the kernel ends the rest in its own time; fails if it does not."""
        deadline = time.monotonic() + _PATIENCE
        while left := self.processes(word):
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.01)

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.home) in line]

    def uploads(self) -> list[Path]:
        """What the registry keeps of interrupted uploads, for a day, for whoever continues."""
        return list((self.home / "registry/uploads").iterdir())

    def files(self) -> list[Path]:
        places = ("store/work", "store/ingest", "registry/ingest")
        return [path for place in places for path in (self.home / place).glob("*")]


@pytest.fixture
def remains(amphora) -> Remains:
    return Remains(amphora.home)


@pytest.fixture
def context(tmp_path):
    """Make a build context of a Dockerfile and files; returns the directory."""

    def make(dockerfile: str, **files: str) -> Path:
        directory = tmp_path / "context"
        directory.mkdir(exist_ok=True)
        (directory / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (directory / name).write_text(content)
        return directory

    return make


@pytest.fixture
def without(seeded, tmp_path):
    """The program on a machine like this one, but without one of the programs in /usr/bin."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def make(program: str):
        script = f"""
            mount -t tmpfs none {scratch} && mkdir {scratch}/upper {scratch}/work &&
            mount -t overlay overlay /usr/bin \
                -o lowerdir=/usr/bin,upperdir={scratch}/upper,workdir={scratch}/work &&
            rm /usr/bin/{program} && exec "$@"
        """
        return replace(seeded, prefix=("unshare", "--mount", "sh", "-ec", script, "sh"))

    return make
