"""What is said about an image beside it: artifacts whose manifest names it as its subject.

In the store such an artifact has a name by digest in the repository of its subject (see
`Store.attach`), so that it is content like any other, other tools find it in the image
layout, and it goes with its subject when garbage is collected.
https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
"""

from collections import deque
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.descriptor import OCI_EMPTY, Descriptor
from amphora.core.digest import Digest
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import read_document, walk
from amphora.oci.model import Manifest
from amphora.oci.names import NamedImage


def put_artifact(
    blobs: BlobStore,
    subject: Descriptor,
    artifact_type: str,
    content: Sequence[Descriptor],
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Store the manifest of an artifact about `subject`, whose content is stored already.

    Returns its descriptor as a list of referrers has it, with type and annotations. Raises
    DiskFullError.
    """
    manifest = Manifest(
        config=blobs.put(b"{}", OCI_EMPTY),
        layers=tuple(content),
        annotations=annotations or {},
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
        artifact_type=artifact_type,
    )
    stored = blobs.put(manifest.encode(), manifest.media_type)
    return replace(stored, annotations=manifest.annotations, artifact_type=artifact_type)


def subject_of(blobs: BlobStore, image: NamedImage) -> Digest | None:
    """What a name of the store says something about; None if it is kept for its own sake.

    Raises what `read_document` raises for a damaged one.
    """
    descriptor = image.descriptor
    by_digest = image.reference.tag is None and image.reference.digest == descriptor.digest
    is_there = descriptor.is_manifest and blobs.has(descriptor.digest)
    if descriptor.artifact_type is None or not by_digest or not is_there:
        return None
    subject = Manifest.decode(read_document(blobs, descriptor.digest)).subject
    return subject.digest if subject else None


class Reach(Struct, frozen=True):
    """All that the images of a store lead to, once each, and the `orphans` among its names:

    artifacts whose subject no other image, and no artifact about one, leads to.
    """

    descriptors: list[Descriptor]
    orphans: list[NamedImage]


def reach(blobs: BlobStore, images: Sequence[NamedImage]) -> Reach:
    """What to keep, and the names to give up. Raises what `read_document` raises."""
    told = [(image, subject_of(blobs, image)) for image in images]
    waiting = [(image, subject) for image, subject in told if subject is not None]
    joining = [image for image, subject in told if subject is None]
    reached: list[Descriptor] = []
    seen = set[tuple[str, Digest]]()
    while joining:
        for image in joining:
            reached += walk(blobs, image.descriptor, allow_absent=True, seen=seen)
        known = {descriptor.digest for descriptor in reached}
        joining = [image for image, subject in waiting if subject in known]
        waiting = [(image, subject) for image, subject in waiting if subject not in known]
    return Reach(reached, [image for image, _ in waiting])


def by_subject(blobs: BlobStore, images: Sequence[NamedImage]) -> dict[Digest, list[Descriptor]]:
    """The artifacts among the names of a store by what they are about, each once.

    Raises what `read_document` raises for a damaged one.
    """
    found: dict[Digest, dict[Digest, Descriptor]] = {}
    for image in images:
        subject = subject_of(blobs, image)
        if subject is not None:
            found.setdefault(subject, {})[image.descriptor.digest] = image.descriptor
    return {subject: list(artifacts.values()) for subject, artifacts in found.items()}


def about(blobs: BlobStore, images: Sequence[NamedImage], root: Descriptor) -> list[Descriptor]:
    """The artifacts about an image, its variants, and such artifacts; each after its subject.

    Raises what `read_document` raises for a damaged one.
    """
    told = by_subject(blobs, images)
    subjects = deque(item.digest for item in walk(blobs, root, allow_absent=True))
    found: dict[Digest, Descriptor] = {}
    while subjects:
        about_it = told.get(subjects.popleft(), ())
        fresh = {item.digest: item for item in about_it if item.digest not in found}
        found |= fresh
        subjects += fresh
    return list(found.values())
