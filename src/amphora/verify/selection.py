"""Which variants of an image are verified."""

from collections.abc import Sequence

from amphora.core.descriptor import Descriptor
from amphora.core.errors import NotFoundError
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import variants


def chosen_platforms(
    blobs: BlobStore, image: Descriptor, platforms: Sequence[Platform]
) -> Sequence[Platform]:
    """The platforms asked for, or all; raises NotFoundError for an image without any."""
    chosen = platforms or tuple(variants(blobs, image))
    if not chosen:
        raise NotFoundError(
            f"image {image.digest} has nothing to verify",
            why="it holds no variant for any platform",
            next_command="`amphora image inspect` shows what is in it",
        )
    return chosen
