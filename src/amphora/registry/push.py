"""Pushing: blobs, then manifests, then the index and its tag.

In that order, so that a tag never points at something a registry does not have whole.
"""

from collections.abc import Mapping

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, InvalidValueError
from amphora.core.reference import DEFAULT_TAG, Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import walk
from amphora.registry.parallel import for_each
from amphora.registry.progress import How, Meter, Progress, display_name
from amphora.registry.session import Ask, Reply, Session
from amphora.registry.uploads import Uploader, push_scope


class Push(Struct, frozen=True):
    """Sends from a blob store to one repository; `limit` transfers at a time.

    `mount_from` names, for blobs where that is known, another repository of the same
    registry that holds them.
    """

    session: Session
    blobs: BlobStore
    mount_from: Mapping[Digest, str]
    progress: Progress
    limit: int

    async def run(self, root: Descriptor, reference: Reference) -> bool:
        """Push `root` and all below it, and tag it last.

        Returns whether the registry says that it lists the root with its subject. Raises
        NotFoundError, before anything is sent, if the store lacks a part of it, and
        InvalidValueError for a reference with another digest.
        """
        if reference.digest not in {None, root.digest}:
            raise _other_digest(root, reference)
        everything = {item.digest: item for item in walk(self.blobs, root)}.values()
        contents = [item for item in everything if not _is_document(item)]
        images = [item for item in everything if item.is_manifest and item != root]
        indexes = [item for item in everything if item.is_index and item != root]
        uploader = Uploader(self.session, reference.path)

        async def blob(item: Descriptor) -> None:
            await self._blob(uploader, item)

        async def manifest(item: Descriptor) -> None:
            await self._manifest(item, reference.path, str(item.digest))

        await for_each(contents, blob, limit=self.limit)
        await for_each(images, manifest, limit=self.limit)
        await for_each(indexes, manifest, limit=1)
        return await self._manifest(root, reference.path, _name(reference))

    async def tag(self, root: Descriptor, reference: Reference) -> None:
        """Give its tag to what was pushed by digest."""
        await self._manifest(root, reference.path, _name(reference))

    async def _blob(self, uploader: Uploader, descriptor: Descriptor) -> None:
        self.progress.started(descriptor, display_name(descriptor))
        source = self.mount_from.get(descriptor.digest)
        meter = Meter(self.progress, descriptor)
        path = self.blobs.path(descriptor.digest)
        how = await uploader.upload(descriptor, path, source, meter)
        self.progress.finished(descriptor, how)

    async def _manifest(self, descriptor: Descriptor, repository: str, target: str) -> bool:
        self.progress.started(descriptor, display_name(descriptor))
        content = self.blobs.read(descriptor.digest)
        reply = await put_document(self.session, repository, target, descriptor.media_type, content)
        stored = reply.headers.get("docker-content-digest", str(descriptor.digest))
        if stored.startswith(descriptor.digest.algorithm) and stored != str(descriptor.digest):
            raise _altered(repository, descriptor, stored)
        self.progress.advanced(descriptor, descriptor.size)
        self.progress.finished(descriptor, How.UPLOADED)
        return "oci-subject" in reply.headers


async def put_document(
    session: Session, repository: str, target: str, media_type: str, content: bytes
) -> Reply:
    """Send a manifest or an index, named by a tag or its digest; returns the answer."""
    return await session.request(
        Ask(
            f"push {repository}",
            "PUT",
            f"/v2/{repository}/manifests/{target}",
            push_scope(repository),
            frozenset({200, 201, 202}),
            {"Content-Type": media_type},
            content,
        )
    )


def _name(reference: Reference) -> str:
    """What to PUT the root under: its tag, or its digest where only that was asked for."""
    if reference.tag is None and reference.digest is not None:
        return str(reference.digest)
    return reference.tag or DEFAULT_TAG


def _is_document(descriptor: Descriptor) -> bool:
    return descriptor.is_index or descriptor.is_manifest


def _other_digest(root: Descriptor, reference: Reference) -> InvalidValueError:
    return InvalidValueError(
        f"{reference} cannot be pushed",
        why=f"what is to be pushed has the digest {root.digest}",
        next_command="push to a tag; the digest follows from the content",
    )


def _altered(repository: str, descriptor: Descriptor, stored: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"the registry changed a manifest of {repository}",
        why=f"we sent {descriptor.digest} and it stored {stored[:100]!r}",
        next_command="push to another registry: this one does not keep content as it is",
    )
