"""What registers our entries again after a reboot: the system's own way, where it has one.

- systemd: a file of binfmt.d(5), read by systemd-binfmt.service. It first removes every
  entry there is, then registers what the files say, in the order of their names; of two
  that match the later wins, which is why ours is called `zz-amphora.conf`.
- systemd without that service (or with it masked, as on WSL), or with binfmt-support, whose
  service starts later and so would win: the same file, and a unit of our own that reads it
  after both and removes only what it puts in front again.
- OpenRC: the same file; its service `binfmt` reads it, once it is in a runlevel.
- Anything else: nothing, and that is said.

https://www.freedesktop.org/software/systemd/man/latest/binfmt.d.html
https://github.com/OpenRC/openrc
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import EmulatorError
from amphora.emulation.host.entry import Entry
from amphora.system.files import write_atomically
from amphora.system.roots import find_in_root, resolve_in_root

FILE = "etc/binfmt.d/zz-amphora.conf"
_UNIT = "etc/systemd/system/amphora-emulators.service"
_WANTED = "etc/systemd/system/multi-user.target.wants/amphora-emulators.service"
_SCRIPT = "etc/amphora/register-emulators"
_RUNLEVEL = "etc/runlevels/boot/binfmt"
_SERVICE = "systemd-binfmt.service"

_HEADER = b"# Written by `amphora emulator install`; `amphora emulator uninstall` removes it.\n"


class Persistence(Struct, frozen=True):
    """`kind` is "systemd-binfmt", "unit", "openrc" or "none"; `how` says it in words."""

    kind: str
    how: str

    def save(self, root: Path, entries: Sequence[Entry]) -> None:
        """Have exactly these entries of ours registered at every boot; none removes all.

        Raises EmulatorError where /etc cannot be written, DiskFullError.
        """
        try:
            if entries and self.kind != "none":
                self._write(root, entries)
            else:
                _remove(root)
        except OSError as error:
            raise EmulatorError(
                "what is registered will be lost at the next reboot",
                why=f"{error.filename}: {os.strerror(error.errno or 0)}",
                next_command="make /etc writable and run the same command again",
            ) from error

    def _write(self, root: Path, entries: Sequence[Entry]) -> None:
        lines = b"".join(entry.line() + b"\n" for entry in entries)
        _put(root, FILE, _HEADER + lines)
        if self.kind == "unit":
            _put(root, _SCRIPT, _resource("register-emulators.sh"), mode=0o755)
            _put(root, _UNIT, _resource("amphora-emulators.service"))
            _link(root, _WANTED, f"/{_UNIT}")
        elif self.kind == "openrc":
            _link(root, _RUNLEVEL, "/etc/init.d/binfmt")


def find_persistence(root: Path) -> Persistence:
    """What this system has to run things at boot."""
    if (root / "run/systemd/system").is_dir():
        if _has_systemd_binfmt(root) and not find_in_root(root, "usr/sbin/update-binfmts"):
            return Persistence("systemd-binfmt", f"systemd-binfmt reads /{FILE}")
        return Persistence("unit", f"the unit {Path(_UNIT).name} reads /{FILE}")
    if (root / "run/openrc").is_dir() and find_in_root(root, "etc/init.d/binfmt"):
        return Persistence("openrc", f"OpenRC's service binfmt reads /{FILE}")
    return Persistence("none", "no init system is running that would register it again")


def _has_systemd_binfmt(root: Path) -> bool:
    """Is its unit there, and not masked by a link to nowhere?"""
    units = (f"{place}/systemd/system/{_SERVICE}" for place in ("etc", "run", "usr/lib", "lib"))
    for unit in units:
        try:
            real = resolve_in_root(root, unit)
        except OSError:
            continue
        if real == root / "dev/null":
            return False
        if real.is_file():
            return True
    return False


def _put(root: Path, path: str, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file where it leads inside the root, unless it is like that already."""
    real = resolve_in_root(root, path)
    if real.is_file() and real.read_bytes() == content:
        return
    real.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(real, content, mode=mode)


def _link(root: Path, path: str, target: str) -> None:
    real = resolve_in_root(root, path, follow_last=False)
    real.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        real.symlink_to(target)


def _remove(root: Path) -> None:
    """OpenRC's runlevel stays as it is: others' files may be read there too."""
    for path in (_WANTED, _UNIT, _SCRIPT, FILE):
        with suppress(FileNotFoundError):
            resolve_in_root(root, path, follow_last=False).unlink()
    with suppress(OSError):
        resolve_in_root(root, _SCRIPT).parent.rmdir()


def _resource(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
