"""Which emulator is to run a platform, and whether it could at all.

QEMU runs every platform and is the default. FEX and box64 run x86 programs on other CPUs,
faster. Whatever is asked for must prove itself by running a program; what is known before
is said before. https://fex-emu.com, https://box86.org
"""

import os
import shutil
import stat
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import EmulatorError, InvalidValueError, MissingToolError, ToolFailedError
from amphora.core.platform import Platform
from amphora.emulation.emulators import PACKAGE, find_emulator, is_static, version_of
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.entry import PREFIX, Entry


class Wish(Struct, frozen=True):
    """What `--with` asked for: the emulator's name, and the file if it gave one."""

    name: str = "qemu"
    path: Path | None = None

    @property
    def anything(self) -> bool:
        """Was nothing in particular asked for? Then whatever works is good."""
        return self == Wish()

    @classmethod
    def parse(cls, text: str) -> "Wish":
        """Read `qemu`, `qemu=/path`, `fex` or `box64`; raises InvalidValueError."""
        name, equals, path = text.partition("=")
        if name not in {"qemu", *_OTHERS} or (equals and (name != "qemu" or path[:1] != "/")):
            raise InvalidValueError(
                f"{text!r} is no emulator",
                why="those that can be registered are qemu, qemu=/path/to/a/file, fex and box64",
                next_command="for example --with qemu=/opt/qemu/bin/qemu-aarch64",
            )
        return cls(name, Path(path) if equals else None)


class _Other(Struct, frozen=True):
    """An emulator beside QEMU: its program, its flags, the platforms it runs, and on which CPUs."""

    program: str
    flags: str
    runs: frozenset[str]
    on: frozenset[str]


_OTHERS = {
    "fex": _Other("FEXInterpreter", "POF", frozenset({"amd64", "386"}), frozenset({"arm64"})),
    "box64": _Other(
        "box64", "F", frozenset({"amd64"}), frozenset({"arm64", "loong64", "ppc64le", "riscv64"})
    ),
}


def wanted_entry(platform: Platform, wish: Wish, *, credentials: bool) -> Entry:
    """The entry that would give a platform's programs to the emulator that is wished for.

    F: opened now, so that it is found from inside any root. O: the program comes as an open
    file, and need not be readable. P: argv[0] comes as it was. C (`credentials`): set-uid
    programs get their owner's rights. QEMU and FEX know what to do with O and P; box64's own
    registration has neither.
    Raises MissingToolError, EmulatorError.
    """
    path = _path(platform, wish)
    if wish.name == "qemu":
        _check_file(path)
    elf = FORMATS[platform.architecture]
    flags = _OTHERS[wish.name].flags if wish.name in _OTHERS else "POF"
    return Entry(
        name=PREFIX + elf.qemu_cpu,
        interpreter=str(path),
        flags=f"{flags}C" if credentials else flags,
        magic=elf.magic,
        mask=elf.mask,
    )


def version(interpreter: Path) -> str | None:
    """The version of the QEMU that is at a path; None if it does not say.

    The path must be the file's own: under the name `…-binfmt-P` Debian's takes no options.
    """
    try:
        return version_of(interpreter)
    except (ToolFailedError, OSError):
        return None


def _path(platform: Platform, wish: Wish) -> Path:
    if wish.path is not None:
        return wish.path
    if wish.name in _OTHERS:
        return _other(platform, wish.name)
    elf = FORMATS[platform.architecture]
    emulator = find_emulator(elf)
    if emulator is None:
        raise MissingToolError(
            f"nothing here runs {platform}",
            why=f"qemu-{elf.qemu_cpu}-static is not installed",
            next_command=f"sudo apt-get install {PACKAGE}",
        )
    return emulator.path


def _other(platform: Platform, name: str) -> Path:
    other, host = _OTHERS[name], Platform.host().architecture
    if host not in other.on or platform.architecture not in other.runs:
        raise EmulatorError(
            f"{name} cannot run {platform} here",
            why=f"it runs {', '.join(sorted(other.runs))} on {', '.join(sorted(other.on))}, "
            f"and this machine is {host}",
            next_command="leave --with out, for QEMU",
        )
    found = shutil.which(other.program)
    if found is None:
        raise MissingToolError(
            f"{name} is not installed",
            why=f"{other.program} is not in any directory of PATH",
            next_command="install it, or leave --with out for QEMU",
        )
    return Path(found)


def _check_file(path: Path) -> None:
    """Raises EmulatorError for what cannot work in another root, or is no program."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unfit(path, os.strerror(error.errno or 0)) from error
    if not stat.S_ISREG(mode) or not mode & 0o111:
        raise _unfit(path, "it is no executable file")
    if not is_static(path):
        raise _unfit(path, "it is not statically linked: in a container its loader is missing")


def _unfit(path: Path, why: str) -> EmulatorError:
    return EmulatorError(
        f"{path} cannot be registered",
        why=why,
        next_command=f"sudo apt-get install {PACKAGE}, whose emulators are static",
    )
