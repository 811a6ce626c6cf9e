"""The registry's directory: bytes shared by all repositories, and who holds which.

Order makes it safe to kill at any moment: bytes are in place before the catalog names
them, and the catalog forgets them before they go. What a crash leaves between is
bytes that nobody names, and those are removed at the next start. Both happen under the
catalog's write lock, so a digest cannot be dropped by one request while another adopts it.
"""

from pathlib import Path

from amphora.core.digest import Digest
from amphora.oci.blobs import BlobStore
from amphora.registry.server.catalog import Catalog, StoredManifest
from amphora.registry.server.documents import Document
from amphora.registry.server.refusals import Refusal
from amphora.registry.server.sessions import UploadSession, UploadSessions, remove_stale_files
from amphora.system.files import explain_full_disk, sync_directory


class Storage:
    """What one registry keeps below `root`; safe for many threads and processes at once."""

    def __init__(self, root: Path) -> None:
        with explain_full_disk(root):
            root.mkdir(parents=True, exist_ok=True)
            self.blobs = BlobStore(root)
            self.uploads = UploadSessions(root / "uploads")
            remove_stale_files(self.blobs.ingest)
        self.catalog = Catalog(root / "catalog.sqlite")
        self._remove_nameless()

    def adopt(self, session: UploadSession, expected: Digest) -> None:
        """Make a finished upload a blob of its repository, durably; the session is over.

        Refuses with DIGEST_INVALID if the bytes are not what the client says.
        """
        actual = session.digest(expected.algorithm)
        if actual != expected:
            session.discard()
            raise Refusal(400, "DIGEST_INVALID", f"the content is {actual}, not {expected}")
        target = self.blobs.path(expected)
        with self.catalog.writing() as transaction, explain_full_disk(target):
            session.path.rename(target)
            sync_directory(target.parent)
            transaction.add_blob(session.repository, expected)

    def mount(self, repository: str, source: str | None, digest: Digest) -> bool:
        """Give a repository a blob that another (with None, any other) holds; did one?"""
        with self.catalog.writing() as transaction:
            found = transaction.has_blob(source, digest)
            if found:
                transaction.add_blob(repository, digest)
            return found

    def has_blob(self, repository: str, digest: Digest) -> bool:
        with self.catalog.reading() as transaction:
            return transaction.has_blob(repository, digest)

    def remove_blob(self, repository: str, digest: Digest) -> bool:
        """Was it there? The bytes go with the last repository that holds them."""
        with self.catalog.writing() as transaction:
            removed = transaction.remove_blob(repository, digest)
        self._drop_unused(digest)
        return removed

    def manifest(self, repository: str, target: Digest | str) -> StoredManifest | None:
        with self.catalog.reading() as transaction:
            return transaction.manifest(repository, target)

    def put_manifest(
        self, repository: str, content: bytes, document: Document, tag: str | None
    ) -> None:
        """Record a manifest, and its tag, if the repository holds all that it needs.

        Refuses with MANIFEST_BLOB_UNKNOWN. Raises DiskFullError.
        """
        with self.catalog.writing() as transaction:
            for digest in sorted(document.needed):
                held = transaction.has_blob(repository, digest)
                if not held and transaction.manifest(repository, digest) is None:
                    message = f"{repository} does not have {digest}"
                    raise Refusal(404, "MANIFEST_BLOB_UNKNOWN", message)
            with self.blobs.writer(document.digest.algorithm) as writer:
                writer.write(content)
                writer.commit(document.digest)
            manifest = StoredManifest(document.digest, document.media_type)
            transaction.add_manifest(repository, manifest, document.subject, tag)

    def remove_manifest(self, repository: str, target: Digest | str) -> bool:
        """A tag goes alone; a digest takes its tags with it. Was it there?"""
        with self.catalog.writing() as transaction:
            if isinstance(target, str):
                return transaction.remove_tag(repository, target)
            removed = transaction.remove_manifest(repository, target)
        self._drop_unused(target)
        return removed

    def _drop_unused(self, digest: Digest) -> None:
        with self.catalog.writing() as transaction:
            if not transaction.is_used(digest):
                self.blobs.delete(digest)

    def _remove_nameless(self) -> None:
        with self.catalog.writing() as transaction:
            for digest in self.blobs:
                if not transaction.is_used(digest):
                    self.blobs.delete(digest)
