"""Image configs: what a variant runs, its history, and the digests of its layers.

https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import accumulate

import msgspec
from msgspec import Struct, field

from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.oci import wire

#: The PATH of a container whose image sets none, as with docker and containerd.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Healthcheck(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """HEALTHCHECK: `test` as docker keeps it (`CMD`, `CMD-SHELL`, `NONE`), times in nanoseconds."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What a container of the image starts with: the `config` object of an image config."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    healthcheck: Healthcheck | None = None
    volumes: dict[str, dict[str, str]] | None = None
    working_dir: str = ""
    on_build: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None


class History(Struct, frozen=True, omit_defaults=True):
    """One line of `docker history`; `empty_layer` marks a step that made no layer."""

    created: str | None = None
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


class InlineStep(Struct, frozen=True, omit_defaults=True):
    """A step that the image was built with, by its cache key; which of its layers it made."""

    key: str
    created: str
    layer: int | None = None


class ImageConfig(Struct, frozen=True):
    """Platform, start parameters, history and uncompressed layer digests of one variant.

    `created` is RFC 3339, UTC. `inline_steps` are for --cache-from of other builds.
    """

    platform: Platform
    config: ContainerConfig = field(default_factory=ContainerConfig)
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    created: str | None = None
    author: str = ""
    inline_steps: tuple[InlineStep, ...] = ()

    @classmethod
    def decode(cls, content: bytes) -> "ImageConfig":
        """Read an OCI or docker image config; raises ManifestError."""
        raw = wire.decode(content, _ImageConfig, "image config")
        try:
            diff_ids = tuple(map(Digest.parse, raw.rootfs.diff_ids or ()))
        except InvalidValueError as error:
            raise wire.malformed("image config", str(error)) from error
        return cls(
            platform=Platform.normalise(raw.os, raw.architecture, raw.variant),
            config=raw.config or ContainerConfig(),
            diff_ids=diff_ids,
            history=raw.history or (),
            created=raw.created,
            author=raw.author,
            inline_steps=raw.inline_steps or (),
        )

    def encode(self) -> bytes:
        """Canonical JSON: keys of labels, ports and volumes sorted."""
        return msgspec.json.encode(
            _ImageConfig(
                created=self.created,
                author=self.author,
                architecture=self.platform.architecture,
                os=self.platform.os,
                variant=self.platform.variant,
                config=self.config,
                rootfs=_RootFS(type="layers", diff_ids=[str(item) for item in self.diff_ids]),
                history=self.history,
                inline_steps=self.inline_steps or None,
            ),
            order="deterministic",
        )

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """The chain ID of each layer: the name of the file system up to and including it.

        https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md#layer-chainid
        """
        return chain_ids(self.diff_ids)


def chain_ids(diff_ids: Sequence[Digest]) -> tuple[Digest, ...]:
    """The chain ID of each of these layers, bottom first."""
    return tuple(accumulate(diff_ids, _chain))


def chain_id(diff_ids: Sequence[Digest]) -> Digest | None:
    """The chain ID of the topmost of these layers, bottom first; None for no layers at all."""
    return reduce(_chain, diff_ids) if diff_ids else None


def timestamp(seconds: float) -> str:
    """The form of `created`: RFC 3339, UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _chain(parent: Digest, diff_id: Digest) -> Digest:
    return Digest.of(f"{parent} {diff_id}".encode())


class _RootFS(Struct, frozen=True):
    type: str
    diff_ids: list[str] | None  # Go writes null for an image without layers


class _ImageConfig(Struct, frozen=True, omit_defaults=True):
    architecture: str
    os: str
    rootfs: _RootFS
    created: str | None = None
    author: str = ""
    variant: str = ""
    config: ContainerConfig | None = None
    history: tuple[History, ...] | None = None
    inline_steps: tuple[InlineStep, ...] | None = field(default=None, name="vnd.amphora.steps.v1")
