"""Where --cache-to and --cache-from keep what steps made. Values, without a connection."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from amphora.core.reference import Reference
from amphora.remote.keepers import ActionsService, Bucket


@dataclass(frozen=True, slots=True)
class Directory:
    path: Path


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, whose tags begin with that of `reference`."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Inline:
    """The image itself: its config says which steps its layers are of."""


@dataclass(frozen=True, slots=True)
class InBucket:
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


@dataclass(frozen=True, slots=True)
class InActions:
    """Entries of the cache service of GitHub Actions; `scope` keeps those of builds apart."""

    service: ActionsService
    scope: str


@dataclass(frozen=True, slots=True)
class CachePlace:
    """`everything` (mode=max): steps of all stages, not only those whose layers the image has.

    With `ignore_error`, not being able to write there is no reason to fail.
    """

    where: Directory | Repository | Inline | InBucket | InActions
    everything: bool = False
    ignore_error: bool = False
