"""Native counterparts: what of a foreign image a native root can stand in for."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from amphora.emulation.packages import Packages, same_version
from amphora.emulation.renamed import Renaming
from amphora.emulation.rules import Rule, read_rules
from amphora.emulation.table import Handoff
from amphora.system.elf import Dynamics, read_dynamics
from amphora.system.roots import resolve_in_root

#: Where a loader looks without a cache; Debian's directories have the CPU in their name.
_LIBRARY_DIRECTORIES = ("lib64", "usr/lib64", "lib", "usr/lib")


@dataclass(frozen=True, slots=True)
class NativeSide:
    """A mounted native root: the twin of an image, with what was fetched beside it.

    `shown_at` is its path in containers.
    """

    root: Path
    shown_at: str
    architecture: str
    renaming: Renaming
    _directories: list[Path] = field(default_factory=list)
    _loadable: dict[Path, bool] = field(default_factory=dict)

    def handoffs(self, image: Path, architecture: str) -> list[Handoff]:
        """What of a foreign image, mounted at `image`, can be handed off.

        Each program once, however many names it has.
        """
        ruled = [item for rule in read_rules() for item in rule.applied(image)]
        paths = [path for path, _ in ruled]
        theirs = Packages.read(image, paths)
        ours = Packages.read(self.root)
        found: dict[int, Handoff] = {}
        for path, rule in ruled:
            if _same_program(path, rule, theirs, ours):
                handoff = self._match(image, architecture, path, rule)
                if handoff is not None:
                    found.setdefault(handoff.status.st_ino, handoff)
        return list(found.values())

    def _match(self, image: Path, architecture: str, path: str, rule: Rule) -> Handoff | None:
        program = resolve_in_root(image, path)
        counterpart = resolve_in_root(self.root, rule.counterpart or path)
        ours = _program(counterpart, self.architecture)
        if ours is None or _program(program, architecture) is None:
            return None
        status = program.lstat()
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            return None
        directories = self._library_directories()
        if not self._loads(ours, directories):
            return None
        if rule.replacement:
            library = next(iter(sorted(self.root.glob(rule.replacement))), None)
            if library is None:
                return None
            rule = replace(rule, replacement=self._shown(library))
        loader, options = self._loader(ours, directories)
        shown: str | None = self._shown(counterpart)
        if rule.names_architecture or rule.renamed_libraries:
            if not self.renaming.is_possible or not self._rename_libraries(rule, directories):
                return None
            if rule.names_architecture:
                shown = self.renaming.copy(counterpart)
            options = (*options[:-1], f"{self.renaming.shown_at}:{options[-1]}")
        return Handoff(status, shown, loader, options, rule) if shown else None

    def _rename_libraries(self, rule: Rule, directories: Sequence[Path]) -> bool:
        """Copies under the names by which programs need them; False if one is missing."""
        for name in rule.renamed_libraries:
            found = (path for directory in directories for path in sorted(directory.glob(name)))
            library = next((path for path in found if _stays(path)), None)
            if library is None or self.renaming.copy(library) is None:
                return False
        return True

    def _loader(self, program: Dynamics, directories: Sequence[Path]) -> tuple[str, Sequence[str]]:
        if not program.interpreter:
            return "", ()
        loader = self._shown(resolve_in_root(self.root, program.interpreter))
        # musl's loader has no cache to inhibit.
        inhibit = ("--inhibit-cache",) if "ld-linux" in program.interpreter else ()
        return loader, (*inhibit, "--library-path", ":".join(map(self._shown, directories)))

    def _library_directories(self) -> Sequence[Path]:
        """Real directories, so that no link in their paths leads out of the native side."""
        if not self._directories:
            places = [resolve_in_root(self.root, name) for name in _LIBRARY_DIRECTORIES]
            places = [place for place in places if place.is_dir()]
            triplets = [child for place in places for child in sorted(place.glob("*-linux-*"))]
            self._directories.extend(dict.fromkeys((*triplets, *places)))
        return self._directories

    def _loads(self, program: Dynamics, directories: Sequence[Path]) -> bool:
        """Is every library that it needs there, and every one that those need?

        After execve it is too late to go back to QEMU.
        """
        for name in program.needed:
            places = (directory / name for directory in directories)
            library = next((place for place in places if _stays(place)), None)
            if library is None:
                return False
            if library not in self._loadable:
                self._loadable[library] = True  # libraries may need each other
                deeper = read_dynamics(library)
                self._loadable[library] = deeper is not None and self._loads(deeper, directories)
            if not self._loadable[library]:
                return False
        return True

    def _shown(self, path: Path) -> str:
        return f"{self.shown_at}/{path.relative_to(self.root)}"


def wanted_packages(image: Path) -> dict[str, str]:
    """The packages that rules would fetch for an image, with the versions it has of them."""
    installed = Packages.read(image).versions
    names = {
        rule.package for each in read_rules() if each.package for _, rule in each.applied(image)
    }
    return {name: installed[name] for name in sorted(names) if name in installed}


def _same_program(path: str, rule: Rule, theirs: Packages, ours: Packages) -> bool:
    """Do both sides have it from the same version of the same package?

    Where the image has no package database, being variants of one image is the proof.
    """
    if rule.package:
        name = rule.package
    elif not theirs.versions and not ours.versions:
        return True
    else:
        name = theirs.owners.get(path, "")
    return same_version(ours.versions.get(name), theirs.versions.get(name))


def _stays(library: Path) -> bool:
    """A file, or a relative link to one: an absolute link would lead into the image."""
    if library.is_symlink() and library.readlink().is_absolute():
        return False
    return library.is_file()


def _program(path: Path, architecture: str) -> Dynamics | None:
    """What an ELF program of that CPU needs; None for anything else."""
    if not path.is_file():
        return None
    dynamics = read_dynamics(path)
    return dynamics if dynamics and dynamics.architecture == architecture else None
