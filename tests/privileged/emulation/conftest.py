"""A root with a foreign program in it, and what handoff needs to give it to a native one.

The program is compiled twice from the same text, for this CPU and for another, and
tells which of the two has run.
"""

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.rules import Rule
from amphora.emulation.support import Emulation
from amphora.emulation.table import Handoff, write_table
from amphora.system import syscalls

HOST = Platform.host()
FOREIGN = next(Platform.parse(name) for name in ("arm64", "amd64") if name != HOST.architecture)
COMPILERS = {"arm64": "aarch64-linux-gnu-gcc", "amd64": "x86_64-linux-gnu-gcc"}
SHOWN = "/dev/.amphora"


@dataclass(frozen=True)
class Ran:
    """What a run of the witness said."""

    status: int
    output: bytes
    errors: bytes

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [line.partition(" ")[::2] for line in os.fsdecode(self.output).splitlines()]

    def said(self, kind: str) -> list[str]:
        return [text for name, text in self.lines if name == kind]

    @property
    def native(self) -> bool:
        """Which one it was; fails if it did not say so."""
        (cpu,) = self.said("cpu")
        assert cpu in {HOST.architecture, FOREIGN.architecture}
        return cpu == HOST.architecture


@dataclass
class Stage:
    """A root at `root`, inside the worker; `program` in it is foreign."""

    root: Path
    programs: dict[str, Path]
    offered: list[Handoff] = field(default_factory=list)

    def __post_init__(self) -> None:
        for directory in ("bin", "etc", "tmp", "dev/.amphora/root"):
            (self.root / directory).mkdir(parents=True)
        shutil.copy(self.programs["foreign"], self.program)
        shutil.copy(self.programs["native"], self.root / "dev/.amphora/root/witness")
        self.log.touch()
        self.log.chmod(0o622)

    @property
    def program(self) -> Path:
        return self.root / "bin/witness"

    @property
    def log(self) -> Path:
        return self.root / "dev/.amphora/log"

    @property
    def table(self) -> Path:
        return self.root / "dev/.amphora/table"

    def logged(self) -> list[str]:
        """The log since the last time."""
        lines = os.fsdecode(self.log.read_bytes()).splitlines()
        os.truncate(self.log, 0)
        return lines

    def offer(self, program: Path | None = None, **rule: object) -> None:
        """Put a program into the table, as it is now, under a rule."""
        status = (program or self.program).stat()
        applied = Rule(programs=[], **rule)
        self.offered.append(Handoff(status, f"{SHOWN}/root/witness", "", (), applied))
        self.table.write_bytes(write_table(self.offered))

    def run(self, *arguments: str | bytes, executable="/bin/witness", **options: object) -> Ran:
        """Run the witness in the root by a path or an open file; `name` is its argv[0]."""
        name = options.pop("name", "witness")
        root = options.pop("root", self.root)
        stack = options.pop("stack", None)
        user = options.pop("user", None)

        def enter() -> None:
            os.chroot(root)
            os.chdir(options.get("cwd", "/"))
            if stack:
                resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))
            if user:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            if isinstance(executable, int):
                os.execve(executable, [name, *arguments], given["env"])

        given = {"env": {}, "stdin": subprocess.DEVNULL, **options, "cwd": None}
        done = subprocess.run(
            [name, *arguments],
            executable=executable if isinstance(executable, str) else None,
            preexec_fn=enter,
            capture_output=True,
            check=False,
            timeout=60,  # nothing takes so long but waiting for ever
            **given,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def witnesses(tmp_path_factory):
    """The program for this CPU and for the other."""
    cross = COMPILERS[FOREIGN.architecture]
    if not shutil.which(cross):
        pytest.skip("needs a cross compiler: make setup-test")
    directory = tmp_path_factory.mktemp("witnesses")
    source = Path(__file__).with_name("witness.c")
    found = {}
    for name, compiler, platform in (("native", "gcc", HOST), ("foreign", cross, FOREIGN)):
        found[name] = directory / name
        architecture = f'-DCPU="{platform.architecture}"'
        subprocess.run(
            [compiler, "-O1", "-Wall", "-static", architecture, "-o", found[name], source],
            check=True,
        )
    return found


@pytest.fixture
def on_stage(in_worker, witnesses):
    """Call a function with a stage, in a worker with handoff, or without; returns its result."""

    def call(function, *, handoff=True, platforms=(FOREIGN,)):
        def inside():
            prepared = Emulation(handoff=handoff).prepare(platforms)
            assert all(each.handoff is handoff for each in prepared.values()), "make setup"
            syscalls.mount("none", Path("/run"), "tmpfs")
            return function(Stage(Path("/run/root"), witnesses))

        return in_worker(inside)

    return call
