"""What COPY and ADD take from: the build context, or the files of another stage or image."""

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from msgspec import Struct
from msgspec.structs import replace

from amphora.build import gopath
from amphora.build.fingerprint import FileHashes, fingerprint
from amphora.build.ignore import IgnoreRules
from amphora.core.digest import Digest
from amphora.oci.layers.entry import travels
from amphora.system.roots import resolve_in_root

_NO_RULES = IgnoreRules()


def _nothing(_path: str) -> bool:
    return False


class Entry(Struct, frozen=True):
    """A file, directory or link of a tree: `path` relative to the source, "" for itself.

    `on_the_way`: a directory that nobody asked for, but that --parents has to make.
    """

    path: str
    real: Path
    status: os.stat_result
    on_the_way: bool = False

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)

    def attributes(self) -> dict[str, bytes]:
        """The extended attributes that go along: file capabilities and users' own."""
        if self.is_link:
            return {}
        names = sorted(filter(travels, os.listxattr(self.real)))
        return {name: os.getxattr(self.real, name) for name in names}


class Source(Struct, frozen=True):
    """One thing to copy: its name (for the destination) and all that belongs to it.

    The first of `entries` is the thing itself; a directory's contents follow, sorted.
    `mode`, `mtime` (seconds) and `unpack` are what this one has in place of its files' own,
    where no flag says otherwise: what was downloaded has no mode to keep.
    """

    name: str
    entries: Sequence[Entry]
    mode: int | None = None
    mtime: int | None = None
    unpack: bool | None = None

    @property
    def is_directory(self) -> bool:
        return self.entries[0].is_directory


@dataclass(frozen=True, slots=True)
class FileTree:
    """A directory seen as a root of its own; links never lead out of it.

    `ignores` is asked with paths relative to the root; `prunes` tells which
    directories need not be looked into at all.
    """

    root: Path
    ignores: Callable[[str], bool] = _nothing
    prunes: Callable[[str], bool] = _nothing
    hashes: FileHashes = field(default_factory=FileHashes, compare=False, repr=False)

    @property
    def is_whole(self) -> bool:
        """Is nothing of the directory left out?"""
        return self.ignores is _nothing

    def find(self, pattern: str, excludes: IgnoreRules = _NO_RULES) -> list[Source]:
        """What a COPY source names: one path, or all that match it as Go's filepath.Match.

        `excludes` are asked with paths relative to what is copied, and with the name of that.
        An empty list if there is nothing, or if all of it is ignored.
        """
        clean = gopath.clean(f"/{pattern}").lstrip("/")
        names = self._expand(clean) if gopath.has_wildcard(clean) else [clean]
        return [source for name in names if (source := self._source(name, excludes))]

    def find_with_parents(self, pattern: str, excludes: IgnoreRules = _NO_RULES) -> list[Source]:
        """What a source of COPY --parents names, under the directories it is in.

        Those before a `/./` are left out. `**` stands for any directories; links are never
        followed behind the `/./`. https://docs.docker.com/reference/dockerfile/#copy---parents
        """
        before, pivot, behind = pattern.partition("/./")
        start, rest = (before, behind) if pivot else ("", pattern)
        start = gopath.clean(f"/{start}").lstrip("/")
        rest = gopath.clean(f"/{rest}").lstrip("/")
        bases = self._expand(start) if gopath.has_wildcard(start) else [start]
        return [source for base in bases if (source := self._below(base, rest, excludes))]

    def digest(self, sources: Sequence[Source], *, owners: bool = False) -> Digest:
        """One digest of names, types, modes, contents, links and extended attributes.

        Times do not count, and owners only if they are asked for.
        """
        overall = hashlib.sha256()
        for source in sources:
            overall.update(b"source\0" + os.fsencode(source.name) + b"\0")
            for entry in source.entries:
                overall.update(
                    fingerprint(
                        entry.path,
                        entry.real,
                        entry.status,
                        entry.attributes(),
                        hashes=self.hashes,
                        owner=owners,
                    )
                )
        return Digest("sha256", overall.hexdigest())

    def _expand(self, pattern: str) -> list[str]:
        """The existing paths that match, sorted; each part is matched on its own."""
        found = [""]
        for part in pattern.split("/"):
            found = [name for parent in found for name in self._matching(parent, part)]
        return found

    def _matching(self, parent: str, part: str) -> list[str]:
        directory = resolve_in_root(self.root, parent)
        if not gopath.has_wildcard(part):
            return [_join(parent, part)] if os.path.lexists(directory / part) else []
        if not directory.is_dir():
            return []
        names = sorted(name for name in os.listdir(directory) if gopath.match(part, name))
        return [_join(parent, name) for name in names]

    def _source(self, name: str, excludes: IgnoreRules) -> Source | None:
        """A source that is itself a link is followed; links inside it are copied as links."""
        real = resolve_in_root(self.root, name)
        if not real.exists() or ((self.root / name).is_symlink() and self.ignores(name)):
            return None
        relative = self._relative(real)
        top = Entry("", real, real.lstat())
        # Of a directory, as with BuildKit, only what is in it can be left out.
        if not top.is_directory and any(map(excludes.ignores, (name, PurePath(name).name))):
            return None
        inside = list(self._walk(relative, "", excludes)) if top.is_directory else []
        if not inside and self.ignores(relative):
            return None
        return Source(PurePath(name).name, [top, *inside])

    def _below(self, base: str, pattern: str, excludes: IgnoreRules) -> Source | None:
        """What matches below a directory, with the directories on the way to it."""
        real = resolve_in_root(self.root, base)
        if not real.is_dir():
            return None
        wanted = IgnoreRules.matching(pattern)
        found: dict[str, Entry] = {}
        passed: dict[str, Entry] = {}
        for entry in self._candidates(self._relative(real), pattern, excludes):
            if entry.on_the_way or (pattern and not wanted.ignores(entry.path)):
                passed[entry.path] = replace(entry, on_the_way=True)
                continue
            for above in reversed(PurePath(entry.path).parents):
                if str(above) in passed:
                    found.setdefault(str(above), passed[str(above)])
            found[entry.path] = entry
        return Source("", [Entry("", real, real.lstat()), *found.values()]) if found else None

    def _candidates(self, base: str, pattern: str, excludes: IgnoreRules) -> Iterator[Entry]:
        """What could match: everything behind the part of the pattern without wildcards."""
        path = ""
        for part in itertools.takewhile(
            lambda part: not gopath.has_wildcard(part), _parts(pattern)
        ):
            path = _join(path, part)
            real = self.root / base / path
            if not os.path.lexists(real):
                return
            left_out = excludes.ignores(path) or self.ignores(_join(base, path))
            entry = Entry(path, real, real.lstat(), on_the_way=left_out)
            yield entry
            if not entry.is_directory:
                return
        yield from self._walk(base, path, excludes)

    def _relative(self, real: Path) -> str:
        relative = str(real.relative_to(self.root))
        return "" if relative == "." else relative

    def _walk(self, base: str, below: str, excludes: IgnoreRules) -> Iterator[Entry]:
        directory = self.root / base / below
        for item in sorted(os.scandir(directory), key=lambda item: os.fsencode(item.name)):
            path = _join(below, item.name)
            whole = _join(base, path)
            entry = Entry(path, Path(item.path), item.stat(follow_symlinks=False))
            ignored, excluded = self.ignores(whole), excludes.ignores(path)
            pruned = (ignored and self.prunes(whole)) or (
                excluded and not excludes.may_contain_exceptions(path)
            )
            if entry.is_directory and not pruned:
                inside = self._walk(base, path, excludes)
                # An ignored directory is there for the sake of what is not ignored in it.
                first = list(itertools.islice(inside, 1))
                if first or not (ignored or excluded):
                    yield from (entry, *first)
                    yield from inside
            elif not (ignored or excluded):
                yield entry


def _parts(pattern: str) -> list[str]:
    return [part for part in pattern.split("/") if part]


def _join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name
