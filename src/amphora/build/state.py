"""An image in the making: layers, config and history, changed step by step.

States are values: a step takes one and gives the next, so that two stages can
start from the same one.
"""

from collections.abc import Sequence
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.build.attest.facts import Material, TakenStep
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.config import DEFAULT_PATH, ContainerConfig, History, ImageConfig
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer

_PATH_ENTRY = f"PATH={DEFAULT_PATH}"


class Twin(Struct, frozen=True):
    """The layers of an image's native variant, and of the foreign one that it stands beside."""

    native: tuple[Layer, ...]
    base: tuple[Layer, ...]


class ImageState(Struct, frozen=True):
    """`created` is RFC 3339: the time of the newest step, None while there is none.

    `twin` is where handoff finds counterparts, if the image that all began with is foreign
    and has a native variant. `materials` are the images it began with, `steps` what was done
    since.
    """

    platform: Platform
    layers: tuple[Layer, ...] = ()
    config: ContainerConfig = field(default_factory=ContainerConfig)
    history: tuple[History, ...] = ()
    created: str | None = None
    author: str = ""
    twin: Twin | None = None
    materials: tuple[Material, ...] = ()
    steps: tuple[TakenStep, ...] = ()

    @classmethod
    def scratch(cls, platform: Platform) -> Self:
        """Nothing at all: what `FROM scratch` starts with."""
        return cls(platform, config=ContainerConfig(env=(_PATH_ENTRY,), working_dir="/"))

    @classmethod
    def of_image(cls, manifest: Manifest, config: ImageConfig) -> Self:
        """What a FROM of this image starts with; its ONBUILD triggers are the caller's to run."""
        layers = map(Layer, manifest.layers, config.diff_ids)
        start = config.config
        if not any(entry.startswith("PATH=") for entry in start.env or ()):
            start = replace(start, env=(_PATH_ENTRY, *(start.env or ())))
        return cls(
            config.platform, tuple(layers), start, config.history, config.created, config.author
        )

    def without_triggers(self) -> Self:
        """For a stage that starts here: ONBUILD is for it, not for its own children."""
        return replace(self, config=replace(self.config, on_build=None))

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        return tuple(layer.diff_id for layer in self.layers)

    @property
    def environment(self) -> dict[str, str]:
        """ENV as a mapping, in order."""
        return dict(entry.partition("=")[::2] for entry in self.config.env or ())

    def with_layer(self, layer: Layer | None, created: str, created_by: str) -> Self:
        """After a step that may have changed the file system."""
        line = History(created, created_by, COMMENT, empty_layer=layer is None)
        layers = self.layers if layer is None else (*self.layers, layer)
        return replace(self, layers=layers, history=(*self.history, line), created=created)

    def with_config(self, config: ContainerConfig, created_by: str) -> Self:
        """After a step that changed only what a container starts with."""
        line = History(self.created, created_by, COMMENT, empty_layer=True)
        return replace(self, config=config, history=(*self.history, line))

    def image_config(self) -> ImageConfig:
        return ImageConfig(
            self.platform, self.config, self.diff_ids, self.history, self.created, self.author
        )


#: Who made a line of the history.
COMMENT = "amphora"


def join_environment(environment: dict[str, str]) -> Sequence[str]:
    """A mapping as ENV keeps it in the config."""
    return tuple(f"{name}={value}" for name, value in environment.items())
