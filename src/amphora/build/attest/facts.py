"""What a build remembers while it goes on, so that it can be said of the image later."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.core.purl import image_url, package_url
from amphora.core.reference import Reference
from amphora.remote.location import GitLocation


class Material(Struct, frozen=True, order=True):
    """Something from elsewhere that went into an image, and what exactly it was.

    `algorithm` is as in-toto's digest sets have it:
    https://github.com/in-toto/attestation/blob/main/spec/v1/digest_set.md
    """

    uri: str
    algorithm: str
    value: str

    @classmethod
    def of_image(cls, reference: Reference, platform: Platform, root: Digest) -> "Material":
        """A base image; `root` is the digest of its index, if it has one."""
        return cls(image_url(reference, platform), root.algorithm, root.hex)

    @classmethod
    def of_layout(cls, name: str, tag: str, platform: Platform, root: Digest) -> "Material":
        """An image in an OCI layout, called by the name of its directory."""
        where = {"platform": str(platform), "tag": tag}
        uri = package_url("oci", name, str(root), qualifiers=where)
        return cls(uri, root.algorithm, root.hex)

    @classmethod
    def of_file(cls, url: str, digest: Digest) -> "Material":
        """A file that was fetched; `url` without password and query."""
        return cls(url, digest.algorithm, digest.hex)

    @classmethod
    def of_commit(cls, location: GitLocation, commit: str) -> "Material":
        """A Git repository, by its URL without password and the branch or tag that was meant."""
        uri = f"{location.shown}#{location.ref}" if location.ref else location.shown
        return cls(uri, "gitCommit", commit)


class TakenStep(Struct, frozen=True):
    """A step of the Dockerfile, performed now or before.

    `ran` says where, when it was performed: native, handoff, emulated or worker. `diff_id` is
    of the layer it came to, None if it changed nothing.
    """

    title: str
    line: int
    platform: Platform
    ran: str
    diff_id: Digest | None


class Predicate(Struct, frozen=True):
    """One thing that is said of a variant: its type, which is a URI, and its content.

    `filename` is what it is called beside the image's files; empty if it is for images only. One
    that is not `attached` is for neither.
    """

    kind: str
    content: Mapping[str, Any]
    filename: str = ""
    attached: bool = True
