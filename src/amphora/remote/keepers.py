"""Who keeps bytes for us, and how to get in. Values: `objects` and `actions` go there."""

from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

BucketKind = Literal["s3", "azblob", "gcs"]

#: What people call them, in messages.
_TITLES: dict[BucketKind, str] = {
    "s3": "S3 bucket",
    "azblob": "Azure container",
    "gcs": "GCS bucket",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Keys that were given in so many words; Azure's have no `key_id` and no `token`."""

    secret: str = field(repr=False)
    key_id: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class Bucket(Struct, frozen=True):
    """`endpoint` is a URL, or empty for the store's own; `account` is Azure's.

    With `path_style` the bucket is part of the path; otherwise, of the host's name. Without
    `login` the environment says who we are, as it does to the store's own tools.
    """

    kind: BucketKind
    name: str
    endpoint: str = ""
    region: str = ""
    account: str = ""
    path_style: bool = False
    login: Login | None = None

    def __str__(self) -> str:
        return f"{_TITLES[self.kind]} {self.name}"


@dataclass(frozen=True, slots=True)
class ActionsService:
    """Where a job finds the service, and what lets it in; `timeout` of one entry, in seconds."""

    url: str
    token: str = field(repr=False)
    timeout: float
