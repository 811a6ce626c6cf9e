"""What `--provenance`, `--sbom` and `--attest` ask for.

https://docs.docker.com/build/metadata/attestations/
"""

from msgspec import Struct


class ProvenanceOptions(Struct, frozen=True):
    """`complete` is mode=max; `version` of SLSA is v1 or v0.2; `reproducible` is only repeated.

    `filename` is what it is called beside the image's files, empty if it is only for images;
    one that is not `attached` is only told to whoever built it.
    """

    complete: bool = False
    version: str = "v1"
    builder: str = ""
    reproducible: bool = False
    filename: str = "provenance.json"
    attached: bool = True


class SbomOptions(Struct, frozen=True):
    """`generator` is the image that makes it; amphora itself if there is none."""

    generator: str = ""


class AttestOptions(Struct, frozen=True):
    """The attestations of each variant; none unless asked for."""

    provenance: ProvenanceOptions | None = None
    sbom: SbomOptions | None = None
