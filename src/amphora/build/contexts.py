"""--build-context NAME=LOCATION: what FROM and COPY --from mean in place of a stage or an image.

https://docs.docker.com/reference/cli/docker/buildx/build/#build-context
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from amphora.build.bases import Bases
from amphora.build.filetree import FileTree
from amphora.build.inputs import Opener
from amphora.build.state import ImageState
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference

_IMAGE = "docker-image://"
_LAYOUT = "oci-layout://"
_TARGET = "target:"
_LAYOUT_NAME = re.compile(r"(?P<path>.+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>\w+:\w+))?")

#: What another target of the same bake file comes to on a platform.
Linked = Callable[[str, Platform], Awaitable[ImageState]]


class NamedContexts:
    """The named contexts of one build, each opened when it is first used."""

    def __init__(
        self,
        given: Mapping[str, str],
        opener: Opener,
        bases: Bases,
        linked: Linked | None = None,
    ) -> None:
        """Without `linked` no location can be another target."""
        self._given = {_normal(name): location for name, location in given.items()}
        self._opener = opener
        self._bases = bases
        self._linked = linked
        self._trees: dict[str, FileTree] = {}
        self._lock = asyncio.Lock()

    def has(self, name: str) -> bool:
        """Is there a context for the name of a stage or an image?"""
        return bool(name) and _normal(name) in self._given

    async def open(
        self, name: str, platform: Platform
    ) -> tuple[ImageState, Sequence[str]] | FileTree:
        """The image of a context with its ONBUILD triggers, or its files.

        Raises ContextError, InvalidValueError, NotFoundError and what fetching raises.
        """
        location = self._given[_normal(name)]
        if location.startswith(_IMAGE):
            return await self._bases.resolve(location.removeprefix(_IMAGE), platform)
        if location.startswith(_LAYOUT):
            return await self._layout(location.removeprefix(_LAYOUT), platform)
        if location.startswith(_TARGET) and self._linked is not None:
            state = await self._linked(location.removeprefix(_TARGET), platform)
            return state, state.config.on_build or ()
        if location.startswith(_TARGET):
            raise InvalidValueError(
                f"--build-context {name} cannot be {location[:100]!r}",
                why="targets are those of a bake file",
                next_command="name the stage itself in FROM or COPY --from, or use amphora bake",
            )
        async with self._lock:
            if location not in self._trees:
                self._trees[location] = await self._opener.tree(location)
        return self._trees[location]

    async def _layout(self, text: str, platform: Platform) -> tuple[ImageState, Sequence[str]]:
        parts = _LAYOUT_NAME.fullmatch(text)
        if parts is None:
            raise InvalidValueError(
                f"{text[:100]!r} is not the location of an OCI image layout",
                why="it is written as DIRECTORY[:TAG][@DIGEST]",
                next_command="for example oci-layout:///tmp/image:latest",
            )
        digest = Digest.parse(parts["digest"]) if parts["digest"] else None
        return await self._bases.of_layout(
            Path(parts["path"]), platform, tag=parts["tag"] or "", digest=digest
        )


def _normal(name: str) -> str:
    """So that `alpine`, `alpine:latest` and `docker.io/library/alpine` are one name."""
    try:
        return Reference.parse(name).familiar.removesuffix(":latest")
    except InvalidValueError:
        return name.lower()
