"""What COPY and ADD take from: the build context, or the files of another stage or image."""

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from amphora.build import gopath
from amphora.core.digest import Digest
from amphora.oci.layers.entry import travels
from amphora.system.roots import resolve_in_root


def _nothing(_path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or link of a tree: `path` relative to the source, "" for itself."""

    path: str
    real: Path
    status: os.stat_result

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


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to copy: its name (for the destination) and all that belongs to it.

    The first of `entries` is the thing itself; a directory's contents follow, sorted.
    """

    name: str
    entries: Sequence[Entry]

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

    def find(self, pattern: str) -> list[Source]:
        """What a COPY source names: one path, or all that match it as Go's filepath.Match.

        An empty list if there is nothing, or if all of it is ignored.
        """
        clean = gopath.clean(f"/{pattern}").lstrip("/")
        names = self._expand(clean) if gopath.has_wildcard(clean) else [clean]
        return [source for name in names if (source := self._source(name))]

    def digest(self, sources: Sequence[Source]) -> Digest:
        """One digest of names, types, modes, contents, links and extended attributes.

        Times and owners do not count.
        """
        overall = hashlib.sha256()
        for source in sources:
            overall.update(b"source\0" + os.fsencode(source.name) + b"\0")
            for entry in source.entries:
                overall.update(_fingerprint(entry))
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

    def _source(self, name: str) -> Source | None:
        """A source that is itself a link is followed; links inside it are copied as links."""
        real = resolve_in_root(self.root, name)
        if not real.exists() or ((self.root / name).is_symlink() and self.ignores(name)):
            return None
        relative = str(real.relative_to(self.root))
        relative = "" if relative == "." else relative
        top = Entry("", real, real.lstat())
        inside = list(self._walk(relative, "")) if top.is_directory else []
        if not inside and self.ignores(relative):
            return None
        return Source(PurePath(name).name, [top, *inside])

    def _walk(self, base: str, below: str) -> Iterator[Entry]:
        directory = self.root / base / below
        for item in sorted(os.scandir(directory), key=lambda item: os.fsencode(item.name)):
            path = _join(below, item.name)
            whole = _join(base, path)
            entry = Entry(path, Path(item.path), item.stat(follow_symlinks=False))
            ignored = self.ignores(whole)
            if entry.is_directory and not (ignored and self.prunes(whole)):
                inside = self._walk(base, path)
                # An ignored directory is there for the sake of what is not ignored in it.
                first = list(itertools.islice(inside, 1))
                if first or not ignored:
                    yield from (entry, *first)
                    yield from inside
            elif not ignored:
                yield entry


def _join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name


def _fingerprint(entry: Entry) -> bytes:
    mode = entry.status.st_mode
    if entry.is_file:
        with entry.real.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    elif entry.is_link:
        content = os.fsencode(entry.real.readlink())
    else:
        content = str(entry.status.st_rdev).encode()
    attributes = b"".join(
        b"%s\0%d\0%s" % (os.fsencode(name), len(value), value)
        for name, value in entry.attributes().items()
    )
    sizes = b"\0%o\0%d\0%d\0" % (mode, len(content), len(attributes))
    return os.fsencode(entry.path) + sizes + content + attributes
