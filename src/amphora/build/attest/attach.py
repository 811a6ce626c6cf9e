"""From what is said of a variant to what lies beside it: in-toto statements in artifacts.

An artifact is a referrer (OCI 1.1): its manifest names the variant as its subject, and the
image itself is as it would be without. Or, where that is asked for, it is an entry of the
image's index, as BuildKit has it.
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://docs.docker.com/build/metadata/attestations/attestation-storage/
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from amphora.build.attest.facts import Predicate
from amphora.build.attest.names import (
    IN_TOTO,
    PREDICATE_ANNOTATION,
    PROVENANCE,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
)
from amphora.build.request import BuildResult, Variant
from amphora.core.descriptor import OCI_CONFIG, OCI_MANIFEST, Descriptor
from amphora.core.errors import InvalidValueError, NotFoundError
from amphora.core.purl import image_url
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.graph import UNKNOWN, read_document
from amphora.oci.model import Index, Manifest
from amphora.oci.referrers import put_artifact
from amphora.oci.store import Store

#: Statements with an old predicate are old statements.
_STATEMENTS = {PROVENANCE["v0.2"]: "https://in-toto.io/Statement/v0.1"}
_STATEMENT = "https://in-toto.io/Statement/v1"

#: What an image is called in a statement if it has no name, as with BuildKit.
_NAMELESS = "_"


def attach_beside(blobs: BlobStore, result: BuildResult, names: Sequence[Reference]) -> BuildResult:
    """Store an artifact for each statement; the image stays as it is. Raises DiskFullError."""
    artifacts = []
    for variant in result.variants:
        for predicate in _attached(result, variant):
            layer = _put_statement(blobs, variant, predicate, names)
            artifacts.append(
                put_artifact(blobs, variant.manifest, IN_TOTO, (layer,), layer.annotations)
            )
    return replace(result, artifacts=tuple(artifacts))


def attach_inside(blobs: BlobStore, result: BuildResult, names: Sequence[Reference]) -> BuildResult:
    """The image with an entry `unknown/unknown` for the statements of each variant.

    An image for one platform gets an index for that. Raises InvalidValueError for an image of
    docker's own types, DiskFullError.
    """
    if any(variant.manifest.media_type != OCI_MANIFEST for variant in result.variants):
        raise InvalidValueError(
            "attestations cannot be in the index of an image of docker's own types",
            why="they are layers of a type that docker's manifests do not have",
            next_command="leave out oci-mediatypes=false, or attestation-inline=true",
        )
    entries = [_entry(blobs, result, variant, names) for variant in result.variants]
    index = Index((result.image,))
    if result.image.is_index:
        index = Index.decode(read_document(blobs, result.image.digest))
    index = replace(index, manifests=(*index.manifests, *entries))
    root = replace(
        blobs.put(index.encode(), index.media_type),
        annotations=result.image.annotations if result.image.is_index else {},
    )
    return replace(result, image=root)


def forget_older(store: Store, result: BuildResult, name: Reference) -> None:
    """Let go of what earlier builds attached, under a name, to the very same variants.

    Only of the kinds that this one attaches anew.
    """
    current = {artifact.digest for artifact in result.artifacts}
    kinds = {artifact.annotations.get(PREDICATE_ANNOTATION) for artifact in result.artifacts}
    for variant in result.variants if current else ():
        for artifact in store.referrers(variant.manifest.digest):
            same_kind = artifact.annotations.get(PREDICATE_ANNOTATION) in kinds
            if artifact.artifact_type == IN_TOTO and same_kind and artifact.digest not in current:
                with suppress(NotFoundError):
                    store.untag(replace(name, tag=None, digest=artifact.digest))


def _attached(result: BuildResult, variant: Variant) -> list[Predicate]:
    return [each for each in result.predicates.get(variant.platform, ()) if each.attached]


def _entry(
    blobs: BlobStore, result: BuildResult, variant: Variant, names: Sequence[Reference]
) -> Descriptor:
    """The manifest of one variant's statements, as an entry of the index."""
    predicates = _attached(result, variant)
    layers = tuple(_put_statement(blobs, variant, each, names) for each in predicates)
    config = ImageConfig(UNKNOWN, diff_ids=tuple(layer.digest for layer in layers))
    manifest = Manifest(blobs.put(config.encode(), OCI_CONFIG), layers)
    return replace(
        blobs.put(manifest.encode(), OCI_MANIFEST),
        platform=UNKNOWN,
        annotations={
            REFERENCE_DIGEST: str(variant.manifest.digest),
            REFERENCE_TYPE: "attestation-manifest",
        },
    )


def _put_statement(
    blobs: BlobStore, variant: Variant, predicate: Predicate, names: Sequence[Reference]
) -> Descriptor:
    digest = variant.manifest.digest
    called = [image_url(name, variant.platform) for name in names] or [_NAMELESS]
    said = statement(predicate, [(name, digest.algorithm, digest.hex) for name in called])
    stored = blobs.put(msgspec.json.encode(said), IN_TOTO)
    return replace(stored, annotations={PREDICATE_ANNOTATION: predicate.kind})


def statement(predicate: Predicate, subjects: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """A predicate about subjects, each a name, an algorithm and a digest in hexadecimal."""
    return {
        "_type": _STATEMENTS.get(predicate.kind, _STATEMENT),
        "subject": [{"name": name, "digest": {kind: value}} for name, kind, value in subjects],
        "predicateType": predicate.kind,
        "predicate": predicate.content,
    }
