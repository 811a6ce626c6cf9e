"""Artifacts about an image, pushed so that whoever has the image finds them.

A registry that knows of subjects lists them itself (`/v2/…/referrers/…`) and says so in its
answer. For one that does not, the list is kept by us, under a tag made of the subject's digest.
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests-with-subject
"""

from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import NotFoundError, RegistryError
from amphora.core.reference import Reference
from amphora.oci.graph import read_document
from amphora.oci.model import Index, Manifest
from amphora.registry import manifests
from amphora.registry.push import Push, put_document
from amphora.registry.session import Session

#: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema
_LONGEST_ALGORITHM, _LONGEST_HASH = 32, 64


async def attach(push: Push, artifact: Descriptor, repository: Reference) -> None:
    """Push an artifact that has a subject, and see that it is listed.

    Raises NotFoundError, before anything is sent, if the registry does not have the subject,
    RegistryError if what should be a list is none, and what pushing raises.
    """
    manifest = Manifest.decode(read_document(push.blobs, artifact.digest))
    if manifest.subject is None:
        raise ValueError(f"{artifact.digest} has no subject")
    subject = manifest.subject.digest
    await _check(push.session, repository, subject)
    name = replace(repository, tag=None, digest=artifact.digest)
    if not await push.run(artifact, name):
        listed = replace(
            artifact,
            artifact_type=manifest.artifact_type or manifest.config.media_type,
            annotations=manifest.annotations,
        )
        await _list(push.session, repository.path, subject, listed)


def tag_of(subject: Digest) -> str:
    """The tag under which a registry without a list of its own has that of a subject."""
    return f"{subject.algorithm[:_LONGEST_ALGORITHM]}-{subject.hex[:_LONGEST_HASH]}"


async def _check(session: Session, repository: Reference, subject: Digest) -> None:
    try:
        await manifests.resolve(session, repository.path, str(subject))
    except NotFoundError as error:
        raise NotFoundError(
            f"nothing can be attached to {repository.familiar}",
            why=f"{repository.repository} does not have {subject}",
            next_command=f"amphora push {repository.familiar}",
        ) from error


async def _list(session: Session, repository: str, subject: Digest, artifact: Descriptor) -> None:
    """Add it to the list under the subject's tag, unless it is in there."""
    tag = tag_of(subject)
    known = await _listed(session, repository, tag)
    if artifact.digest in {each.digest for each in known}:
        return
    index = Index((*known, artifact))
    await put_document(session, repository, tag, index.media_type, index.encode())


async def _listed(session: Session, repository: str, tag: str) -> tuple[Descriptor, ...]:
    try:
        descriptor, content = await manifests.fetch(session, repository, tag)
    except NotFoundError:
        return ()
    if not descriptor.is_index:
        raise RegistryError(
            f"{session.domain}/{repository}:{tag} is not a list of artifacts",
            why=f"it is {descriptor.media_type}",
            next_command="remove that tag, which is reserved for such a list",
        )
    return Index.decode(content).manifests
