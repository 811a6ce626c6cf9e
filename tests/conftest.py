"""What tests of several rooms share: a tiny real base image, the program, the worker.

Nothing here pretends: the base image is Debian's busybox for two platforms, the
program is the installed `amphora`, the worker is the kernel's.
"""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cpus import HOST, MACHINES
from debian import unpack
from hypothesis import settings

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.archive import import_archive, save_archive
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store
from amphora.system.files import locked
from amphora.system.namespace import run_inside

#: Servers of this machine, for the tests that fetch from them; ordinary users.
pytest_plugins = ["servers", "clouds", "accounts"]

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

AMPHORA = Path(sys.executable).with_name("amphora")


@dataclass(frozen=True)
class Amphora:
    """The program with a store of its own; call it with arguments, get what it did.

    `prefix` is a command that starts it in its place: as somebody else, somewhere else.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    @property
    def store(self) -> Path:
        return self.home / "store"

    def command(self, *arguments: object) -> list[str]:
        return [*self.prefix, str(AMPHORA), *map(str, arguments)]

    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AMPHORA_STORE": str(self.store),
            "AMPHORA_REGISTRY_STORE": str(self.home / "registry"),
            "AMPHORA_BUILDER_DIRECTORY": str(self.home / "builders"),
            **self.environment,
        }

    def __call__(self, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is; output and errors are text."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    def ok(self, *arguments: object, **options: object) -> str:
        """Run it, insist on success, and return what it printed to standard output."""
        done = self(*arguments, **options)
        assert done.returncode == 0, f"amphora {arguments}: {done.returncode}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def amphora(tmp_path) -> Amphora:
    """The program, with an empty store."""
    home = tmp_path / "home"
    home.mkdir()
    return Amphora(home)


@pytest.fixture(scope="session")
def made_once(in_worker, tmp_path_factory):
    """Call it with a name and a function that makes a file or a directory; returns its path.

    Whichever process of a test run comes first has it made, in the worker, for all. The
    function is given a directory, of which nothing but what it returns is kept.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def call(name, make):
        path = shared / name

        def inside():
            with tempfile.TemporaryDirectory(dir=shared) as directory:
                make(Path(directory)).rename(path)

        with locked(path.with_suffix(".lock")):
            if not path.exists():
                in_worker(inside)
        return path

    return call


@pytest.fixture(scope="session")
def busybox_archive(made_once) -> Path:
    """An OCI archive with `busybox:latest` for two platforms, made from Debian's packages."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: make setup-test")
    return made_once("busybox.tar", _archive_busybox)


@pytest.fixture
def seeded(amphora, busybox_archive) -> Amphora:
    """The program, with `busybox:latest` in its store."""
    with busybox_archive.open("rb") as archive:
        import_archive(Store(amphora.store), archive)
    return amphora


@pytest.fixture(scope="session")
def in_worker():
    """Call a function as root of new namespaces; returns its (picklable) result or raises.

    The namespaces need a process of their own, so the call happens in a fork.
    """
    return _call_in_worker


def _call_in_worker(function):
    with tempfile.TemporaryFile() as answer:

        def body() -> int:
            try:
                outcome = (True, function())
            except Exception as error:  # noqa: BLE001  whatever it is, the test gets it
                outcome = (False, error)
            pickle.dump(outcome, answer)
            answer.flush()
            return 0

        child = os.fork()
        if child == 0:
            status = 70
            try:
                status = run_inside(body)
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "the worker died"
        answer.seek(0)
        succeeded, value = pickle.load(answer)
    if not succeeded:
        raise value
    return value


def _archive_busybox(directory: Path) -> Path:
    unpack(directory, [platform.partition("/")[2] for platform in MACHINES], "busybox-static")
    store = Store(directory / "store")
    manifests = []
    for platform in map(Platform.parse, MACHINES):
        root = _lay_out(directory, platform.architecture)
        with LayerWriter(store.blobs) as writer:
            write_tree(root, writer, clamp_mtime=0)
            layer = writer.commit()
        config = ImageConfig(
            platform,
            ContainerConfig(env=("PATH=/bin",), cmd=("sh",)),
            (layer.diff_id,),
            created="1970-01-01T00:00:00Z",
        )
        manifests.append(put_image(store.blobs, config, [layer.descriptor]))
    archive = directory / "busybox.tar"
    image = put_index(store.blobs, manifests)
    save_archive(store.blobs, [(Reference.parse("busybox"), image)], archive)
    return archive


def _lay_out(directory: Path, architecture: str) -> Path:
    """/bin with every applet, a few users, /tmp; the same for both but for the program."""
    root = directory / f"root-{architecture}"
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    shutil.copy(directory / architecture / "usr/bin/busybox", root / "bin/busybox")
    native = directory / HOST.architecture / "usr/bin/busybox"
    for applet in subprocess.check_output([native, "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nmail:x:8:12:mail:/var/mail:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nmail:x:12:\nstaff:x:50:mail\n")
    return root
