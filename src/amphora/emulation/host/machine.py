"""The machine whose table is looked at: the kernel's table and the files below its root.

What a registration means depends on both: the file of binfmt.d(5) it came from, whether
something reads that at boot, and whether the interpreter is still the one it was.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from amphora.emulation.host.entry import Entry, parse_line
from amphora.emulation.host.table import BinfmtTable
from amphora.system.roots import glob_in_root, read_in_root, resolve_in_root

#: Where binfmt.d(5) files are; of two with one name, that of the first directory counts.
_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib")

#: Debian's packages that register QEMU, until release 12 and since 13.
_PACKAGES = ("qemu-user-static", "qemu-user-binfmt")
_CONTAINERS = "a container, as tonistiigi/binfmt and Docker Desktop do"


class Machine(Struct, frozen=True):
    """A machine; `root` is where its own files are seen."""

    root: Path = Path("/")
    table: BinfmtTable = field(default_factory=BinfmtTable)

    def configured(self) -> Iterator[tuple[str, Entry]]:
        """Every registration that files of binfmt.d(5) ask for, in their order, with its file."""
        chosen: dict[str, str] = {}
        for directory in _DIRECTORIES:
            for path in glob_in_root(self.root, f"{directory}/binfmt.d/*.conf"):
                chosen.setdefault(path.rpartition("/")[2], path)
        for _, path in sorted(chosen.items()):
            for line in (read_in_root(self.root, path) or b"").splitlines():
                entry = parse_line(line)
                if entry is not None:
                    yield f"/{path}", entry

    def configured_by(self, entry: Entry) -> str | None:
        """The file that asks for an entry of this name and interpreter at boot."""
        for path, wanted in self.configured():
            if (wanted.name, wanted.interpreter) == (entry.name, entry.interpreter):
                return path
        return None

    def binfmt_support(self, entry: Entry) -> str | None:
        """The package that binfmt-support's database has an entry from; see update-binfmts(8)."""
        record = read_in_root(self.root, f"var/lib/binfmts/{entry.name}")
        if record is None or entry.interpreter.encode() not in record.split(b"\n"):
            return None
        return record.split(b"\n", 1)[0].decode(errors="replace") or "an unnamed package"

    def owner(self, entry: Entry) -> str:
        """Who registered an entry, as far as it can be told."""
        if entry.ours:
            return "amphora"
        package, path = self.binfmt_support(entry), self.configured_by(entry)
        if package is not None:
            return f"binfmt-support, for {package}"
        if path is not None:
            return f"{self._package_of(path) or 'somebody'} ({path})"
        return self._guessed_owner(entry)

    def _guessed_owner(self, entry: Entry) -> str:
        if entry.name.startswith("WSLInterop"):
            return "WSL, to run Windows programs"
        if "rosetta" in entry.interpreter:
            return "a virtual machine, to run Apple's Rosetta"
        if entry.pinned and self.interpreter_changed(entry) is None:
            return _CONTAINERS
        return "unknown"

    def interpreter_changed(self, entry: Entry) -> int | None:
        """When the file that is now at the interpreter's path was put there; None if none is."""
        try:
            return resolve_in_root(self.root, entry.interpreter).stat().st_ctime_ns
        except OSError:
            return None

    def stale(self, entry: Entry) -> bool:
        """Does a pinned entry run another file than the one that is at its path now?

        An upgrade of the package replaces the file; the kernel keeps the old one open.
        """
        changed = self.interpreter_changed(entry)
        return entry.pinned and changed is not None and changed > entry.registered

    def _package_of(self, path: str) -> str | None:
        for package in _PACKAGES:
            listing = read_in_root(self.root, f"var/lib/dpkg/info/{package}.list")
            if listing is not None and path.encode() in listing.split(b"\n"):
                return package
        return None
