"""How native programs are loaded from below a root that is not the root: glibc's way, and musl's.

A native program runs in a container whose libraries are for another CPU, so its loader is
told where its own are, and every one that it needs must be there beforehand: after execve
it is too late to go back to QEMU. The root may be hostile.

https://man7.org/linux/man-pages/man8/ld.so.8.html, https://musl.libc.org/manual.html
"""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, field

from amphora.emulation.verdict import Reason, Refusal
from amphora.system.elf import Dynamics, read_dynamics
from amphora.system.roots import find_in_root, glob_in_root, read_in_root, resolve_in_root

#: Where glibc looks without a cache; Debian's directories have the CPU in their name.
_GLIBC_DIRECTORIES = (
    *(f"{name}/*-linux-*" for name in ("lib64", "usr/lib64", "lib", "usr/lib")),
    *("lib64", "usr/lib64", "lib", "usr/lib"),
)

#: Where musl looks, unless /etc/ld-musl-CPU.path says otherwise.
_MUSL_DIRECTORIES = "/lib:/usr/local/lib:/usr/lib"
_MUSL_LOADER = re.compile(r"(ld-musl-[a-z0-9_-]+)[.]so[.]1")

#: Names of libraries that musl's loader takes for itself: it is the C library.
_MUSL_ITSELF = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)[.]")

#: In every loader that knows the option: glibc's since 2.33, musl's since 1.1.21.
_ARGV0 = b"argv0\0"

#: Several times what the largest loader has, and longer than any list of directories.
_LARGEST_LOADER = 16 << 20
_LONGEST_LIST = 4096


class Libraries(Struct, frozen=True):
    """The libraries of a mounted native root, which containers see at `shown_at`."""

    root: Path
    shown_at: str
    architecture: str
    _directories: dict[str, Sequence[Path]] = field(default_factory=dict)
    _needs: dict[tuple[str, str], Sequence[str] | None] = field(default_factory=dict)
    _loaders: dict[str, str] = field(default_factory=dict)

    def loading(self, program: Dynamics) -> tuple[str, Sequence[str]]:
        """The loader for a program, and its options, the list of directories being the last.

        Both are empty for a static program. Raises Refusal if it would not be loaded.
        """
        if not program.interpreter:
            return "", ()
        missing = self._missing(program)
        if missing is not None:
            raise Refusal(Reason.LIBRARY_MISSING, missing)
        # musl's loader has no cache to inhibit.
        inhibit = () if _musl(program) else ("--inhibit-cache",)
        directories = ":".join(map(self._shown, self._directories_for(program)))
        return self._loader(program.interpreter), (*inhibit, "--library-path", directories)

    def find(self, pattern: str, program: Dynamics) -> Path | None:
        """The first library whose name matches, where the loader of a program looks."""
        for directory in self._directories_for(program):
            for path in sorted(directory.glob(pattern)):
                if self._stays(path):
                    return path
        return None

    def _loader(self, interpreter: str) -> str:
        if interpreter not in self._loaders:
            path = find_in_root(self.root, interpreter)
            if path is None:
                raise Refusal(Reason.LIBRARY_MISSING, interpreter)
            if _ARGV0 not in (read_in_root(self.root, interpreter, _LARGEST_LOADER) or b""):
                raise Refusal(Reason.OLD_LOADER, interpreter)
            self._loaders[interpreter] = self._shown(path)
        return self._loaders[interpreter]

    def _directories_for(self, program: Dynamics) -> Sequence[Path]:
        """Real directories, so that no link in their paths leads out of the native side."""
        kind = _musl(program)
        if kind not in self._directories:
            patterns = self._musl_directories(kind) if kind else _GLIBC_DIRECTORIES
            found = [path for pattern in patterns for path in glob_in_root(self.root, pattern)]
            places = [resolve_in_root(self.root, path) for path in found]
            directories = [place for place in dict.fromkeys(places) if place.is_dir()]
            # A colon would end the path in the loader's list.
            self._directories[kind] = [each for each in directories if ":" not in str(each)]
        return self._directories[kind]

    def _musl_directories(self, kind: str) -> Sequence[str]:
        content = read_in_root(self.root, f"etc/{kind}.path", _LONGEST_LIST)
        listed = _MUSL_DIRECTORIES if content is None else content.decode(errors="replace")
        paths = [path.strip("/") for path in re.split("[:\n]", listed)]
        return [path for path in paths if path and "*" not in path]

    def _missing(self, program: Dynamics) -> str | None:
        """A library that it, or one that it needs, would not find; None if all are there."""
        kind = _musl(program)
        pending, seen = list(program.needed), set[str]()
        while pending:
            name = pending.pop()
            if name in seen or (kind and _MUSL_ITSELF.match(name)):
                continue
            seen.add(name)
            if (kind, name) not in self._needs:
                self._needs[kind, name] = self._needs_of(name, self._directories_for(program))
            needs = self._needs[kind, name]
            if needs is None:
                return name
            pending.extend(needs)
        return None

    def _needs_of(self, name: str, directories: Sequence[Path]) -> Sequence[str] | None:
        # A path would be looked up in the image.
        for directory in directories if "/" not in name else ():
            if self._stays(directory / name):
                library = read_dynamics(directory / name)
                if library is not None and library.architecture == self.architecture:
                    return library.needed
        return None

    def _stays(self, place: Path) -> bool:
        """A file that is the same one seen from the image: a link may lead into the image."""
        inside = find_in_root(self.root, str(place.relative_to(self.root)))
        try:
            return inside is not None and inside.samefile(place)
        except OSError:
            return False

    def _shown(self, path: Path) -> str:
        return f"{self.shown_at}/{path.relative_to(self.root)}"


def _musl(program: Dynamics) -> str:
    """The name of musl's loader without its suffix; empty for glibc's and any other."""
    match = _MUSL_LOADER.fullmatch(program.interpreter.rpartition("/")[2])
    return match[1] if match else ""
