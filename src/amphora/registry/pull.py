"""Pulling: an index, its manifests, then every config and layer they name, many at once."""

from collections.abc import Collection, Iterable

from msgspec import Struct

from amphora.core.descriptor import CONFIG_TYPES, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import ManifestError, NotFoundError
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.graph import children
from amphora.oci.model import Manifest
from amphora.registry import manifests
from amphora.registry.downloads import download
from amphora.registry.parallel import for_each
from amphora.registry.progress import How, Meter, Progress, display_name
from amphora.registry.session import Session
from amphora.system.tasks import in_thread

#: Indexes may hold indexes; nobody nests them deeper than two.
MAX_DEPTH = 4


class Pull(Struct, frozen=True):
    """Fetches from one repository into a blob store; `limit` transfers at a time.

    With `platforms`, only the variants of the root index that suit them best; of their
    contents, without `layers`, only the configs.
    """

    session: Session
    repository: str
    blobs: BlobStore
    platforms: Collection[Platform] | None
    progress: Progress
    limit: int
    layers: bool = True

    async def run(self, root: Descriptor) -> None:
        """Fetch `root` and all below it; what the store has already is not fetched again.

        Raises NotFoundError for a platform the image lacks, and everything that
        `manifests.fetch` and `downloads.download` raise.
        """
        level, contents = [root], dict[Digest, Descriptor]()
        for _ in range(MAX_DEPTH):
            await for_each(level, self._manifest, limit=self.limit)
            found = [child for parent in level for child in await self._wanted(parent, root)]
            contents |= {item.digest: item for item in found if not _is_document(item)}
            level = list({item.digest: item for item in found if _is_document(item)}.values())
            if not level:
                break
        else:
            raise _too_deep(self.repository)
        wanted = [
            item for item in contents.values() if self.layers or item.media_type in CONFIG_TYPES
        ]
        await for_each(wanted, self.blob, limit=self.limit)
        if self.platforms and root.is_manifest:
            await in_thread(self._check_platform, root)

    async def _manifest(self, descriptor: Descriptor) -> None:
        self.progress.started(descriptor, display_name(descriptor))
        how = How.PRESENT
        if not self._has(descriptor):
            _, content = await manifests.fetch(
                self.session, self.repository, str(descriptor.digest)
            )
            await in_thread(self._store, descriptor, content)
            self.progress.advanced(descriptor, len(content))
            how = How.DOWNLOADED
        self.progress.finished(descriptor, how)

    async def blob(self, descriptor: Descriptor) -> None:
        self.progress.started(descriptor, display_name(descriptor))
        how = How.PRESENT
        if not self._has(descriptor):
            meter = Meter(self.progress, descriptor)
            await download(self.session, self.repository, descriptor, self.blobs, meter)
            how = How.DOWNLOADED
        self.progress.finished(descriptor, how)

    async def _wanted(self, parent: Descriptor, root: Descriptor) -> Iterable[Descriptor]:
        found = await in_thread(children, self.blobs, parent)
        if parent is root and root.is_index and self.platforms:
            return select(found, self.platforms, self.repository)
        return found

    def _has(self, descriptor: Descriptor) -> bool:
        """Present, and not cut short by a file system that lost its end."""
        return (
            self.blobs.has(descriptor.digest)
            and self.blobs.size(descriptor.digest) == descriptor.size
        )

    def _store(self, descriptor: Descriptor, content: bytes) -> None:
        with self.blobs.writer(descriptor.digest.algorithm) as writer:
            writer.write(content)
            writer.commit(descriptor.digest, descriptor.size)

    def _check_platform(self, root: Descriptor) -> None:
        config = Manifest.decode(self.blobs.read(root.digest)).config
        there = ImageConfig.decode(self.blobs.read(config.digest)).platform
        for platform in self.platforms or ():
            if not platform.matches(there):
                raise _lacks(self.repository, platform, [there])


def select(
    found: Iterable[Descriptor], platforms: Collection[Platform], repository: str
) -> list[Descriptor]:
    """The variants that suit `platforms` best, and nested indexes, which may hold them.

    Raises NotFoundError, naming the platforms there are.
    """
    nested = [item for item in found if item.is_index]
    variants = {item.platform: item for item in found if item.platform and not item.is_index}
    chosen: dict[Digest, Descriptor] = {}
    for platform in platforms:
        best = platform.select(variants)
        if best is not None:
            chosen[variants[best].digest] = variants[best]
        elif not nested:
            raise _lacks(repository, platform, variants)
    return [*nested, *chosen.values()]


def _is_document(descriptor: Descriptor) -> bool:
    return descriptor.is_index or descriptor.is_manifest


def _lacks(repository: str, platform: Platform, there: Iterable[Platform]) -> NotFoundError:
    return NotFoundError(
        f"{repository} has no variant for {platform}",
        why="it is made for " + (", ".join(sorted(map(str, there))) or "no platform at all"),
        next_command="choose among these with --platform",
    )


def _too_deep(repository: str) -> ManifestError:
    return ManifestError(
        f"the index of {repository} is malformed",
        why=f"it nests indexes deeper than {MAX_DEPTH}",
        next_command="ask whoever made the image to build it again",
    )
