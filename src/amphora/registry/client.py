"""The client of one registry: resolve, pull and push images with all their platforms."""

import os
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.registry import manifests, referrers
from amphora.registry.auth import Authenticator
from amphora.registry.endpoint import Endpoint
from amphora.registry.look import Glance, glance
from amphora.registry.progress import SILENT, Progress
from amphora.registry.pull import Pull
from amphora.registry.push import Push
from amphora.registry.retry import Retry
from amphora.registry.session import Ask, Session
from amphora.registry.transport import Transport

#: Transfers at a time; more rarely makes a registry faster.
PARALLEL = 4


class Registry:
    """One registry, by the domain its references carry; an asynchronous context manager.

    Every method raises RegistryUnreachableError, RegistryAuthError, NotFoundError,
    RegistryError and, when content is not what it is called, DigestMismatchError
    or ManifestError. References must be in this registry's domain.
    """

    def __init__(
        self,
        domain: str,
        *,
        insecure_registries: Collection[str] = (),
        environment: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        parallel: int = PARALLEL,
    ) -> None:
        """`environment` says where logins are kept: ours, unless given."""
        endpoint = Endpoint.of(domain, insecure_registries)
        self.domain = domain
        self._parallel = parallel
        self._transport = Transport(endpoint, retry or Retry())
        authenticator = Authenticator(
            endpoint, self._transport, os.environ if environment is None else environment
        )
        self._session = Session(endpoint, self._transport, authenticator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.close()

    async def greet(self) -> None:
        """Ask whether it is there and lets us in, with the login that is known for it.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#determining-support
        """
        ask = Ask("log in", "GET", "/v2/", frozenset(), frozenset({200}))
        await self._session.request(ask)

    async def look(self, reference: Reference) -> Glance:
        """What a reference names and what it is for, without its layers."""
        return await glance(self._session, reference.path, reference.target)

    async def resolve(self, reference: Reference) -> Descriptor:
        """What a reference names now: an index or a manifest, its digest and size."""
        return await manifests.resolve(self._session, reference.path, reference.target)

    async def pull(
        self,
        reference: Reference,
        blobs: BlobStore,
        *,
        platforms: Collection[Platform] | None = None,
        layers: bool = True,
        progress: Progress = SILENT,
    ) -> Descriptor:
        """Fetch an image into `blobs` and return its root, the bytes of which are kept as they are.

        With `platforms`, only the variants that suit them best; the index stays whole.
        Without `layers`, only what tells of them: indexes, manifests and configs.
        """
        root = await self.resolve(reference)
        pull = Pull(
            self._session, reference.path, blobs, platforms, progress, self._parallel, layers
        )
        await pull.run(root)
        return root

    async def pull_blob(
        self, reference: Reference, descriptor: Descriptor, blobs: BlobStore
    ) -> None:
        """Fetch one layer or config of an image into `blobs`, if it is not there."""
        pull = Pull(self._session, reference.path, blobs, None, SILENT, limit=1)
        await pull.blob(descriptor)

    async def push(
        self,
        blobs: BlobStore,
        descriptor: Descriptor,
        reference: Reference,
        *,
        artifacts: Sequence[Descriptor] = (),
        mount_from: Mapping[Digest, str] | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Send an image from `blobs`, all platforms of it, and tag it last.

        `artifacts` are about it (see `attach`) and sent before there is a tag; each comes after
        what it is about. `mount_from` names, for some blobs, another repository of this registry
        that holds them, so that they need not be sent.
        """
        push = Push(self._session, blobs, mount_from or {}, progress, self._parallel)
        if not artifacts:
            await push.run(descriptor, reference)
            return
        digest = reference.digest or descriptor.digest
        await push.run(descriptor, replace(reference, tag=None, digest=digest))
        for artifact in artifacts:
            await referrers.attach(push, artifact, reference)
        await push.tag(descriptor, reference)

    async def attach(
        self,
        blobs: BlobStore,
        artifact: Descriptor,
        repository: Reference,
        *,
        progress: Progress = SILENT,
    ) -> None:
        """Send an artifact from `blobs` to where its subject is, and have it found there.

        Raises NotFoundError if the repository does not have the subject.
        """
        push = Push(self._session, blobs, {}, progress, self._parallel)
        await referrers.attach(push, artifact, repository)
