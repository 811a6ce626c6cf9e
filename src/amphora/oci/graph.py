"""The graph of an image: an index points at manifests, a manifest at its config and layers.

Everything that must find all of an image (push, export, garbage collection, checks)
walks it here, and everything that needs one variant of it selects it here.
"""

from collections.abc import Iterator

from amphora.core.descriptor import CONFIG_TYPES, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import NotFoundError
from amphora.core.platform import Platform
from amphora.oci import wire
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.model import Index, Manifest

#: The size up to which registries must accept a manifest; ours and everybody's limit.
#: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests
MAX_DOCUMENT_SIZE = 4 << 20

#: What BuildKit calls the platform of an attestation, which is nothing to run.
UNKNOWN = Platform("unknown", "unknown")


def read_document(blobs: BlobStore, digest: Digest) -> bytes:
    """A manifest, index or config, verified.

    Raises NotFoundError, DigestMismatchError, and ManifestError for one that is too large to be
    read into memory on the word of a stranger.
    """
    size = blobs.size(digest)
    if size > MAX_DOCUMENT_SIZE:
        raise wire.malformed(f"document {digest}", f"it has {size} bytes")
    return blobs.read(digest)


def children(blobs: BlobStore, descriptor: Descriptor) -> tuple[Descriptor, ...]:
    """What `descriptor` points at: manifests of an index, config and layers of a manifest.

    Raises what `read_document` raises.
    """
    if descriptor.is_index:
        return Index.decode(read_document(blobs, descriptor.digest)).manifests
    if descriptor.is_manifest:
        manifest = Manifest.decode(read_document(blobs, descriptor.digest))
        return (manifest.config, *manifest.layers)
    return ()


def pulled_children(blobs: BlobStore, descriptor: Descriptor) -> tuple[Descriptor, ...]:
    """The children that a whole image must have: of an index, the platforms that were pulled.

    Raises what `children` raises.
    """
    below = children(blobs, descriptor)
    if not descriptor.is_index:
        return below
    return tuple(child for child in below if blobs.has(child.digest)) or below


def walk(
    blobs: BlobStore,
    root: Descriptor,
    *,
    partial: bool = False,
    allow_absent: bool = False,
    seen: set[tuple[str, Digest]] | None = None,
) -> Iterator[Descriptor]:
    """Yield everything reachable from `root` once, each after all that it points at.

    That is the order in which a registry accepts it. Content that is not in the store raises
    NotFoundError. With `partial`, platforms that were not pulled are left out instead, and
    with `allow_absent` whatever is not there. Walks that share `seen` yield nothing that one
    of them has yielded. Raises what `children` raises.
    """
    below = pulled_children if partial else children
    seen = set() if seen is None else seen
    stack = [(root, False)]
    while stack:
        descriptor, finished = stack.pop()
        if finished:
            yield descriptor
            continue
        # One digest may be called a layer here and a manifest there: both are followed.
        identity = (descriptor.media_type, descriptor.digest)
        if identity in seen:
            continue
        seen.add(identity)
        if not blobs.has(descriptor.digest):
            if allow_absent:
                continue
            blobs.size(descriptor.digest)
        stack.append((descriptor, True))
        found = below(blobs, descriptor)
        blobs.claims.claim(str(child.digest) for child in found)  # at once, which is quicker
        stack.extend((child, False) for child in reversed(found))


def variants(blobs: BlobStore, root: Descriptor) -> dict[Platform, Descriptor]:
    """The manifests of an image by platform, in the order of the index, nested ones included.

    Attestations, artifacts and entries whose platform only an absent manifest could tell are
    left out. Raises what `read_document` raises.
    """
    blobs.size(root.digest)
    found: dict[Platform, Descriptor] = {}
    for manifest in _manifests(blobs, root):
        platform = manifest.platform or _platform_of(blobs, manifest)
        if platform not in (None, UNKNOWN) and manifest.artifact_type is None:
            found.setdefault(platform, manifest)
    return found


def image_for(
    blobs: BlobStore, root: Descriptor, platform: Platform
) -> tuple[Descriptor, Manifest, ImageConfig]:
    """The variant of an image that suits `platform` best: its descriptor, manifest and config.

    A single manifest is accepted if its config's platform suits. Raises NotFoundError that
    lists the platforms there are, and what `read_document` raises.
    """
    candidates = variants(blobs, root)
    selected = platform.select(candidates)
    if selected is None:
        raise _no_variant(root, platform, candidates)
    descriptor = candidates[selected]
    if not blobs.has(descriptor.digest):
        raise _not_pulled(root, selected)
    manifest = Manifest.decode(read_document(blobs, descriptor.digest))
    if not manifest.is_image:
        raise wire.malformed(
            f"image {descriptor.digest}", f"its config is {manifest.config.media_type[:100]!r}"
        )
    config = ImageConfig.decode(read_document(blobs, manifest.config.digest))
    return descriptor, manifest, config


def _manifests(blobs: BlobStore, root: Descriptor) -> Iterator[Descriptor]:
    """The manifests below an index, first to last; an absent index has none to tell of."""
    stack, seen = [root], set[Digest]()
    while stack:
        descriptor = stack.pop()
        if descriptor.is_manifest:
            yield descriptor
        elif descriptor.digest not in seen and (descriptor is root or blobs.has(descriptor.digest)):
            seen.add(descriptor.digest)
            stack.extend(reversed(children(blobs, descriptor)))


def _platform_of(blobs: BlobStore, descriptor: Descriptor) -> Platform | None:
    """Ask the config, where the index does not say: None for an artifact or absent content."""
    if not blobs.has(descriptor.digest):
        return None
    manifest = Manifest.decode(read_document(blobs, descriptor.digest))
    if manifest.config.media_type not in CONFIG_TYPES or not blobs.has(manifest.config.digest):
        return None
    return ImageConfig.decode(read_document(blobs, manifest.config.digest)).platform


def _no_variant(
    root: Descriptor, platform: Platform, candidates: dict[Platform, Descriptor]
) -> NotFoundError:
    names = ", ".join(map(str, candidates))
    return NotFoundError(
        f"image {root.digest} has no variant for {platform}",
        why=f"it was made for {names}" if names else "there is nothing to run in it",
        next_command=f"choose one with --platform {next(iter(candidates))}"
        if names
        else "choose another image; `amphora image ls` lists them",
    )


def _not_pulled(root: Descriptor, platform: Platform) -> NotFoundError:
    return NotFoundError(
        f"the {platform} variant of image {root.digest} is not in the store",
        why="only other platforms of it were pulled",
        next_command=f"run `amphora pull --platform {platform} IMAGE`",
    )
