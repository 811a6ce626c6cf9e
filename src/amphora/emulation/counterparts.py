"""Native counterparts: what of a foreign image a native root can stand in for, and why not.

Both roots may be hostile: every path is resolved inside them, and what is no regular
file is not opened.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from amphora.emulation.libraries import Libraries
from amphora.emulation.packages import Packages, same_version, upstream
from amphora.emulation.renamed import Renaming
from amphora.emulation.rules import Rule, read_rules
from amphora.emulation.table import Handoff
from amphora.emulation.verdict import Reason, Refusal, Verdict
from amphora.system.elf import Dynamics, read_dynamics, word_size
from amphora.system.roots import find_in_root, glob_in_root, read_in_root, resolve_in_root

#: Inode, size and time of last change: nobody can alter a file and keep all three.
Identity: TypeAlias = tuple[int, int, int]


#: Many times what the largest program has that rules look into.
_LARGEST = 64 << 20

#: In a rule's `inserted`: a path of the native side.
_NATIVE_PATH = re.compile("<([^>]+)>")


@dataclass(frozen=True, slots=True)
class NativeSide:
    """A mounted native root: the twin of an image, with what was fetched beside it.

    `shown_at` is its path in containers. `base_file` tells what a path was in the base of
    the image; without it the image is taken to be its own base. `same_archive` promises
    that both are made of the same packages. With `any_revision` a compiler's counterpart may
    be of another revision of the same upstream version. `digests` remembers those of files,
    for whoever asks next.
    """

    root: Path
    shown_at: str
    architecture: str
    renaming: Renaming
    base_file: Callable[[str], os.stat_result | None] | None = None
    same_archive: bool = False
    any_revision: bool = False
    digests: dict[Identity, str] = field(default_factory=dict)
    libraries: Libraries = field(init=False)

    def __post_init__(self) -> None:
        libraries = Libraries(self.root, self.shown_at, self.architecture)
        object.__setattr__(self, "libraries", libraries)

    def handoffs(self, image: Path, architecture: str) -> list[Handoff]:
        """What of a foreign image, mounted at `image`, can be handed off.

        Each program once, however many names it has.
        """
        found: dict[int, Handoff] = {}
        for verdict in self.judge(image, architecture):
            if verdict.handoff is not None:
                found.setdefault(verdict.handoff.status.st_ino, verdict.handoff)
        return list(found.values())

    def judge(self, image: Path, architecture: str) -> Iterator[Verdict]:
        """Every program of the image that a rule names: handed off, or why not."""
        ruled = [item for rule in read_rules() for item in rule.applied(image)]
        return self._judge(image, architecture, ruled)

    def judge_one(self, image: Path, architecture: str, path: str) -> Verdict | None:
        """One program, by its path in the image with all links resolved.

        None if no rule names it, or it is none of the architecture.
        """
        applied = ((path, rule.applied_to(path)) for rule in read_rules())
        ruled = [(path, rule) for path, rule in applied if rule is not None]
        return next(self._judge(image, architecture, ruled), None)

    def _judge(
        self, image: Path, architecture: str, ruled: Sequence[tuple[str, Rule]]
    ) -> Iterator[Verdict]:
        theirs = Packages.read(image, [path for path, _ in ruled])
        ours = Packages.read(self.root)
        for path, rule in ruled:
            program = find_in_root(image, path)
            if program is None or _program(program, architecture) is None:
                continue
            try:
                status = program.lstat()
                self._hold_to_word_size(rule, architecture)
                other = self._hold_to_version(path, rule, theirs, ours)
                self._hold_to_original(program, status, path, theirs)
                handoff = self._match(status, path, rule)
                yield Verdict(path, replace(handoff, other_revision=other))
            except Refusal as refusal:
                yield Verdict(path, None, refusal.reason, refusal.detail)

    def _hold_to_word_size(self, rule: Rule, architecture: str) -> None:
        """Raises Refusal if what the program writes depends on that and it is another."""
        if rule.same_word_size and word_size(architecture) != word_size(self.architecture):
            raise Refusal(Reason.OTHER_WORD_SIZE)

    def _hold_to_version(self, path: str, rule: Rule, theirs: Packages, ours: Packages) -> str:
        """Raises Refusal unless both sides have it from the same version of the same package.

        Returns both versions where another revision was accepted; mostly nothing.

        Where there is no package database, being variants of one image is the proof; and
        before dpkg has begun its own, being made of one archive.
        """
        owner = theirs.owners.get(path, "")
        name = rule.package or owner
        unregistered = self.same_archive and not name
        if unregistered or not (rule.package or theirs.versions or ours.versions):
            return ""
        wanted, had = theirs.versions.get(owner), ours.versions.get(name)
        if wanted is None:
            raise Refusal(Reason.NO_PACKAGE, name)
        if rule.package and had is None:
            alternative = f"with --handoff=full any {upstream(wanted)}"
            raise Refusal(Reason.TO_BE_FETCHED, f"{name} {wanted}, {alternative}")
        if same_version(had, wanted):
            return ""
        both = f"{name} {wanted}, native {had or 'not installed'}"
        if not rule.package or had is None or upstream(had) != upstream(wanted):
            raise Refusal(Reason.OTHER_VERSION, both)
        if not self.any_revision:
            raise Refusal(Reason.OTHER_REVISION, both)
        return both

    def _hold_to_original(
        self, program: Path, status: os.stat_result, path: str, theirs: Packages
    ) -> None:
        """Raises Refusal if the file is neither the one that was packed nor the base's own."""
        packed = theirs.digests.get(path)
        if packed is not None:
            same = self._md5(program, status) == packed
        elif self.base_file is None:
            same = True
        else:
            base = self.base_file(path)
            same = base is not None and identity(base) == identity(status)
        if not same:
            raise Refusal(Reason.CHANGED)

    def _md5(self, program: Path, status: os.stat_result) -> str:
        """What dpkg records of a file; computed once for each state of the file."""
        state = identity(status)
        if state not in self.digests:
            with program.open("rb") as file:
                self.digests[state] = hashlib.file_digest(file, _new_md5).hexdigest()
        return self.digests[state]

    def _match(self, status: os.stat_result, path: str, rule: Rule) -> Handoff:
        """Raises Refusal if the program has no counterpart that would run as it does."""
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            raise Refusal(Reason.SET_UID)
        counterpart = find_in_root(self.root, rule.counterpart or path)
        ours = _program(counterpart, self.architecture) if counterpart else None
        if counterpart is None or ours is None:
            raise Refusal(Reason.NOT_NATIVE, rule.counterpart or path)
        loader, options = self.libraries.loading(ours)
        if rule.replacement:
            rule = replace(rule, replacement=self._shown(self._existing(rule.replacement)))
        inserted = [_NATIVE_PATH.sub(self._native_path, text) for text in rule.inserted]
        rule = replace(rule, inserted=inserted)
        if rule.also_as and not self._has(counterpart, rule.also_as_unless):
            rule = replace(rule, only_as=[*rule.only_as, *rule.also_as])
        shown = self._shown(counterpart)
        if rule.names_architecture or rule.renamed_libraries:
            shown = self._renamed(counterpart, rule, ours)
            options = (*options[:-1], f"{self.renaming.shown_at}:{options[-1]}")
        return Handoff(status, shown, loader, options, rule)

    def _has(self, program: Path, text: str) -> bool:
        """Is the text in a native program? What is too large to be read is taken to have it."""
        content = read_in_root(self.root, str(program.relative_to(self.root)), _LARGEST) or b""
        return len(content) == _LARGEST or text.encode() in content

    def _native_path(self, match: re.Match[str]) -> str:
        return self._shown(self._existing(match[1]))

    def _existing(self, pattern: str) -> Path:
        """What there is of that name; raises Refusal if there is nothing."""
        for path in glob_in_root(self.root, pattern):
            return resolve_in_root(self.root, path)
        raise Refusal(Reason.NOT_NATIVE, pattern)

    def _renamed(self, counterpart: Path, rule: Rule, program: Dynamics) -> str:
        """Where the counterpart is that takes itself for the image's: a copy, or its libraries."""
        if not self.renaming.is_possible:
            raise Refusal(Reason.OTHER_PORT)
        for name in rule.renamed_libraries:
            library = self.libraries.find(name, program)
            if library is None or self.renaming.copy(library) is None:
                raise Refusal(Reason.LIBRARY_MISSING, name)
        copy = self.renaming.copy(counterpart) if rule.names_architecture else None
        if rule.names_architecture and copy is None:
            raise Refusal(Reason.OTHER_PORT)
        return copy or self._shown(counterpart)

    def _shown(self, path: Path) -> str:
        return f"{self.shown_at}/{path.relative_to(self.root)}"


def wanted_packages(image: Path) -> dict[str, str]:
    """The packages that rules would fetch for an image, in the versions of its own programs."""
    fetched = [item for rule in read_rules() if rule.package for item in rule.applied(image)]
    installed = Packages.read(image, [path for path, _ in fetched])
    owners = {rule.package: installed.owners.get(path, "") for path, rule in fetched}
    versions = {name: installed.versions.get(owner) for name, owner in owners.items()}
    return {name: version for name, version in sorted(versions.items()) if version}


def identity(status: os.stat_result) -> Identity:
    """What is another as soon as anybody has changed the file."""
    return status.st_ino, status.st_size, status.st_ctime_ns


def _new_md5() -> "hashlib._Hash":
    """Against accidents: an image that forges it deceives only its own build."""
    return hashlib.md5(usedforsecurity=False)


def _program(path: Path, architecture: str) -> Dynamics | None:
    """What an ELF program of that CPU needs; None for anything else."""
    dynamics = read_dynamics(path)
    return dynamics if dynamics and dynamics.architecture == architecture else None
