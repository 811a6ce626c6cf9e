"""Comparing what builds put into their layers, entry by entry.

Read with the standard library's tarfile, which knows nothing of our own code.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.layers.compression import LayerReader
from amphora.oci.store import Store

#: The layer's number in the image, and the entry's path.
Place = tuple[int, str]
#: All that a layer says of an entry.
Facts = tuple[object, ...]


@dataclass(frozen=True)
class Comparison:
    """Two images made in the same way, and one made in another.

    `varying` differs already between the former two; `differing` is where those agree
    and the latter does not. `entries` counts those of layers that not all three share.
    """

    entries: int
    varying: Sequence[str]
    differing: Sequence[str]


def compare(root: Path, same: tuple[str, str], other: str, platform: Platform) -> Comparison:
    """Compare images by their names in the store at `root`."""
    store = Store(root)
    layers = [_layers(store, name, platform) for name in (*same, other)]
    shared = set.intersection(*map(set, layers))
    first, second, third = (_contents(store, each, shared) for each in layers)
    varying = _differing(first, second)
    return Comparison(len(first), _paths(varying), _paths(_differing(first, third) - varying))


def _layers(store: Store, name: str, platform: Platform) -> list[Digest]:
    _, manifest, _ = image_for(store.blobs, store.resolve(Reference.parse(name)), platform)
    return [layer.digest for layer in manifest.layers]


def _contents(store: Store, layers: Sequence[Digest], shared: set[Digest]) -> dict[Place, Facts]:
    found: dict[Place, Facts] = {}
    for number, layer in enumerate(layers):
        if layer in shared:
            continue
        with store.blobs.open(layer) as blob:
            for path, facts in _entries(blob):
                found[number, path] = facts
    return found


def _entries(blob: IO[bytes]) -> Iterator[tuple[str, Facts]]:
    with tarfile.open(fileobj=cast(IO[bytes], LayerReader(blob)), mode="r|") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(file.read() if file else b"").hexdigest()
            headers = sorted((key, str(value)) for key, value in member.pax_headers.items())
            yield member.name, (*member.get_info().values(), *headers, content)


def _differing(some: dict[Place, Facts], others: dict[Place, Facts]) -> set[Place]:
    """Where the two are not the same, or only one has anything."""
    return {place for place in some | others if some.get(place) != others.get(place)}


def _paths(places: set[Place]) -> list[str]:
    return sorted({path for _, path in places})
