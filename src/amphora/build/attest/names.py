"""What attestations are called: types of statements and predicates, annotations."""

from collections.abc import Mapping

#: The media type of a statement, and the type of an artifact that holds one.
#: https://github.com/in-toto/attestation/blob/main/spec/v1/README.md
IN_TOTO = "application/vnd.in-toto+json"

#: The types of SLSA's predicates, by version.
PROVENANCE: Mapping[str, str] = {
    "v1": "https://slsa.dev/provenance/v1",
    "v0.2": "https://slsa.dev/provenance/v0.2",
}
#: https://github.com/in-toto/attestation/blob/main/spec/predicates/spdx.md
SBOM = "https://spdx.dev/Document"

#: Annotations as BuildKit has them: on a statement's layer, what its predicate is …
#: https://docs.docker.com/build/metadata/attestations/attestation-storage/
PREDICATE_ANNOTATION = "in-toto.io/predicate-type"
#: … and on an entry of an index, which other entry it is about, and that it is no image.
REFERENCE_DIGEST = "vnd.docker.reference.digest"
REFERENCE_TYPE = "vnd.docker.reference.type"


def short_name(predicate: str) -> str:
    """`provenance` or `sbom`, as the flags have it; another type as it is."""
    if predicate in PROVENANCE.values():
        return "provenance"
    return "sbom" if predicate == SBOM else predicate
