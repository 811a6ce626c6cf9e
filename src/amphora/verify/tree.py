"""The final tree of a variant, out of its layers' entries: what a container will find.

Whiteouts remove, links lead, as they do when the layers are unpacked
(`oci.layers.apply`); here only names are kept.
https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md#applying-changesets
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from msgspec import Struct, field

from amphora.oci.layers.entry import DIRECTORY, HARDLINK, OPAQUE_MARKER, SYMLINK, WHITEOUT_PREFIX
from amphora.system.beneath import names_in
from amphora.verify.scan import Item

#: As the kernel's limit on links followed in one path (path_resolution(7)).
_MAX_LINKS = 40
#: No path is longer (PATH_MAX): whoever nests deeper is not walked.
_DEEPEST = 2048


class Node(Struct):
    """`layer` is the topmost one with something in it; `below` is None for what is no directory."""

    item: Item | None
    layer: int
    below: "dict[bytes, Node] | None" = None


def _directory(layer: int, item: Item | None = None) -> Node:
    return Node(item, layer, {})


class Place(Struct, frozen=True):
    """What a path leads to, and the path without links."""

    path: str
    node: Node


class Tree(Struct):
    """Grows by `apply`, layer by layer, the lowest first."""

    _root: Node = field(default_factory=lambda: _directory(0))

    def apply(self, layer: int, items: Iterable[Item]) -> None:
        """Put one layer on top; `layer` is its number."""
        for item in items:
            names = names_in(item.name)
            if not names or len(names) > _DEEPEST:
                continue
            found = self._walk(b"/".join(names[:-1]), layer)
            if found is not None and found[1].below is not None:
                _change(found[1].below, names[-1], item, layer, self)

    def find(self, path: str) -> Place | None:
        """What a path leads to, links followed; None if there is nothing."""
        found = self._walk(path.encode("utf-8", "surrogateescape"))
        if found is None:
            return None
        names, node = found
        return Place(_text(names), node)

    def directory(self, path: str) -> dict[str, Node]:
        """The names in a directory; none if it is not one."""
        place = self.find(path)
        below = place.node.below if place else None
        return {_text([name])[1:]: node for name, node in sorted((below or {}).items())}

    def glob(self, pattern: str) -> list[str]:
        """The files a pattern names; wildcards may only stand in its last part."""
        parent, _, last = pattern.rpartition("/")
        return [f"{parent}/{name}" for name in self.directory(parent) if fnmatchcase(name, last)]

    def files(self) -> Iterator[Place]:
        """Every regular file, in order of its path; a linked one under each of its names."""
        pending: list[tuple[list[bytes], Node]] = [([], self._root)]
        while pending:
            names, node = pending.pop()
            if node.below is None:
                if node.item is not None and node.item.kind != SYMLINK:
                    yield Place(_text(names), node)
                continue
            children = sorted(node.below.items(), reverse=True)
            pending.extend(([*names, name], child) for name, child in children)

    def _walk(self, path: bytes, make: int | None = None) -> tuple[list[bytes], Node] | None:
        """The names and the node that a path leads to; with `make`, missing directories are made.

        None for what does not exist, or for links that lead in circles.
        """
        pending = [name for name in reversed(path.split(b"/")) if name not in {b"", b"."}]
        names: list[bytes] = []
        nodes = [self._root]
        links = 0
        while pending:
            name = pending.pop()
            if name == b"..":
                del names[-1:]
                nodes = nodes[: len(names) + 1]
                continue
            child = _child(nodes[-1], name, make)
            if child is None:
                return None
            if child.item is not None and child.item.kind == SYMLINK:
                links += 1
                if links > _MAX_LINKS:
                    return None
                target = child.item.link
                if target.startswith(b"/"):
                    names, nodes = [], [self._root]
                pending += [
                    part for part in reversed(target.split(b"/")) if part not in {b"", b"."}
                ]
                continue
            if make is not None and child.below is None:
                # A file where this layer has a directory: the directory takes its place.
                child.item, child.layer, child.below = None, make, {}
            names.append(name)
            nodes.append(child)
        return names, nodes[-1]


def _child(node: Node, name: bytes, make: int | None) -> Node | None:
    if node.below is None:
        return None
    child = node.below.get(name)
    if make is not None:
        node.layer = make
        if child is None:
            child = node.below[name] = _directory(make)
    return child


def _change(below: dict[bytes, Node], name: bytes, item: Item, layer: int, tree: Tree) -> None:
    """What one entry does to the directory it is in."""
    if name == OPAQUE_MARKER:
        _empty(below, layer)
    elif name.startswith(WHITEOUT_PREFIX):
        below.pop(name.removeprefix(WHITEOUT_PREFIX), None)
    elif item.kind == DIRECTORY:
        known = below.get(name)
        if known is None or known.below is None:
            below[name] = _directory(layer, item)
        else:
            known.layer = layer
    elif item.kind == HARDLINK:
        target = tree.find("/" + item.link.decode("utf-8", "surrogateescape"))
        below.pop(name, None)
        if target is not None and target.node.below is None:
            below[name] = Node(target.node.item, layer)
    else:
        below[name] = Node(item, layer)


def _empty(below: dict[bytes, Node], layer: int) -> None:
    """Remove what lower layers put into a directory and into all below it."""
    pending = [below]
    while pending:
        directory = pending.pop()
        for name, node in list(directory.items()):
            if node.layer != layer:
                del directory[name]
            elif node.below is not None:
                pending.append(node.below)


def _text(names: list[bytes]) -> str:
    return "/" + b"/".join(names).decode("utf-8", "surrogateescape")
