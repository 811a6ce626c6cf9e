"""Where --cache-to and --cache-from keep what steps made. Values, without a connection."""

from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from amphora.core.reference import Reference
from amphora.remote.keepers import ActionsService, Bucket


class Directory(Struct, frozen=True):
    path: Path


class Repository(Struct, frozen=True):
    """A repository, whose tags begin with that of `reference`."""

    reference: Reference


class Inline(Struct, frozen=True):
    """The image itself: its config says which steps its layers are of."""


class InBucket(Struct, frozen=True):
    """Objects of a bucket, their names beginning as said; `names` are of records.

    What is older than `refresh` when it is needed is written again, so that rules that delete
    what nobody wrote for long spare it. `parallel` uploads go at a time.
    """

    bucket: Bucket
    records: str
    layers: str
    names: tuple[str, ...]
    parallel: int
    refresh: timedelta


class InActions(Struct, frozen=True):
    """Entries of the cache service of GitHub Actions; `scope` keeps those of builds apart."""

    service: ActionsService
    scope: str


class CachePlace(Struct, frozen=True):
    """`everything` (mode=max): steps of all stages, not only those whose layers the image has.

    With `ignore_error`, not being able to write there is no reason to fail.
    """

    where: Directory | Repository | Inline | InBucket | InActions
    everything: bool = False
    ignore_error: bool = False
