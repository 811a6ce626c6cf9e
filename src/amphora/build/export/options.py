"""How an image is to be written: what `--output`'s options and `--annotation` ask for.

https://docs.docker.com/build/exporters/image-registry/, /build/metadata/annotations/
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from amphora.core.platform import Platform
from amphora.oci.layers.compressors import Compression

#: How layers can be compressed: as layers are, or as gzip that can be read file by file.
LayerForm = Compression | Literal["estargz"]

#: Where an annotation can be put.
PLACES = ("manifest", "index", "manifest-descriptor", "index-descriptor")


class Annotation(Struct, frozen=True):
    """One annotation; `place` is one of PLACES, `platform` None for the variants of all."""

    key: str
    value: str
    place: str = "manifest"
    platform: Platform | None = None


class ImageOptions(Struct, frozen=True):
    """The form of an image.

    `compression` None keeps each layer as it is. Layers of base images change only with
    `force_compression`. With `docker_types` the media types are docker's own. `inline` puts
    attestations into the index, rather than beside the image.
    """

    compression: LayerForm | None = None
    level: int | None = None
    force_compression: bool = False
    docker_types: bool = False
    inline: bool = False
    annotations: Sequence[Annotation] = field(default_factory=tuple)

    def annotations_of(self, place: str, platform: Platform | None = None) -> Mapping[str, str]:
        """Those of one place; for a variant, those of every platform and of its own."""
        return {
            item.key: item.value
            for item in self.annotations
            if item.place == place and item.platform in {None, platform}
        }
