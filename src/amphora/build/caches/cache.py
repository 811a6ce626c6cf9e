"""What every kind of cache can do, wherever it is."""

from collections.abc import Collection, Mapping
from typing import Protocol

from amphora.oci.steps import CacheRecord


class Cache(Protocol):
    """Steps by key, on other machines. Every method raises AmphoraError."""

    async def find(self, key: str) -> CacheRecord | None:
        """What is known of a step, its layer in the store by then.

        Raises DigestMismatchError and ManifestError where only this step is not what it
        should be.
        """

    async def add(self, records: Mapping[str, CacheRecord], damaged: Collection[str]) -> None:
        """Have it know these steps; what it knows stays, but for the damaged ones."""
