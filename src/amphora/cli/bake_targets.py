"""From a target of a bake file to the build that it asks for: the flags of `amphora build`."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from amphora.bake.entries import to_fields
from amphora.bake.permissions import dockerfile_path
from amphora.bake.printing import is_local, local_path
from amphora.bake.target import Target
from amphora.build.request import BuildRequest
from amphora.builders.builder import Builder
from amphora.cli.commands.build import read_build
from amphora.cli.docker_environment import with_provenance_told
from amphora.cli.output_options import Wanted
from amphora.cli.outputs import STDOUT
from amphora.core.errors import AmphoraError, BakeError, InvalidValueError

#: Fields of texts, and the flags that take one of them.
_TEXTS = {
    "platforms": "--platform",
    "tags": "--tag",
    "annotations": "--annotation",
    "no-cache-filter": "--no-cache-filter",
    "ulimits": "--ulimit",
    "entitlements": "--allow",
}
_PAIRS = {
    "args": "--build-arg",
    "labels": "--label",
    "contexts": "--build-context",
    "extra-hosts": "--add-host",
}
_ENTRIES = {
    "output": "--output",
    "cache-from": "--cache-from",
    "cache-to": "--cache-to",
    "secret": "--secret",
    "ssh": "--ssh",
    "attest": "--attest",
}
_SINGLE = {"target": "--target", "network": "--network", "shm-size": "--shm-size"}
_SWITCHES = {"pull": "--pull", "no-cache": "--no-cache"}


class TargetBuild(Struct, frozen=True):
    """What is built for a target, and what becomes of it."""

    target: Target
    request: BuildRequest
    wanted: Wanted

    def told(self, environment: Mapping[str, str]) -> "TargetBuild":
        """The same with what a metadata file is to tell of it."""
        return replace(self, request=with_provenance_told(self.request, environment))

    def at(self, builder: Builder) -> "TargetBuild":
        """For the platforms that a builder has; raises UnsupportedPlatformError."""
        wanted = () if self.request.any_platform else self.request.platforms
        platforms = builder.platforms_for(wanted)
        return replace(self, request=replace(self.request, platforms=platforms))


def read_targets(targets: Sequence[Target], common: Sequence[str]) -> list[TargetBuild]:
    """What to build; `common` are flags of `amphora build` for all of them.

    Raises what `amphora build` would, with the name of the target.
    """
    found = [_read(target, common) for target in targets]
    if sum(out.destination == STDOUT for each in found for out in each.wanted.outputs) > 1:
        raise InvalidValueError(
            "two outputs cannot both be written to standard output",
            why="nobody could tell them apart",
            next_command="give dest=FILE to one of them",
        )
    return found


def _read(target: Target, common: Sequence[str]) -> TargetBuild:
    try:
        request, wanted = read_build([*common, *_arguments(target)])
    except click.ClickException as error:
        raise BakeError(
            f"the target {target.name!r} cannot be built",
            why=error.format_message(),
            next_command=f"see what it is: amphora bake --print {target.name}",
        ) from error
    except AmphoraError as error:
        error.what = f"target {target.name}: {error.what}"
        raise
    request = replace(request, any_platform=not target.texts("platforms"))
    text = _inline(target)
    if text is not None:
        request = replace(request, dockerfile="-", stdin=io.BytesIO(text))
    return TargetBuild(target, request, wanted)


def _arguments(target: Target) -> Iterator[str]:
    """The flags that say the same as the target's fields."""
    for name, flag in _SINGLE.items():
        if target.text(name):
            yield f"{flag}={target.text(name)}"
    for name, flag in _TEXTS.items():
        yield from (f"{flag}={text}" for text in target.texts(name))
    for name, flag in _PAIRS.items():
        yield from (f"{flag}={key}={_location(name, it)}" for key, it in target.pairs(name).items())
    for name, flag in _ENTRIES.items():
        yield from (f"{flag}={to_fields(entry)}" for entry in target.entries(name))
    yield from (flag for name, flag in _SWITCHES.items() if target.switch(name))
    if _inline(target) is None:
        path = dockerfile_path(target) or target.text("dockerfile")
        yield f"--file={path}"
    context = target.text("context")
    yield "--"
    yield local_path(context) if is_local(context) else context


def _location(field: str, text: str) -> str:
    return local_path(text) if field == "contexts" and is_local(text) else text


def _inline(target: Target) -> bytes | None:
    """A Dockerfile that is not in the context: one in the bake file, or beside a remote context."""
    if "dockerfile-inline" in target.fields:
        return target.text("dockerfile-inline").encode()
    name = target.text("dockerfile")
    if not name.startswith("cwd://") or is_local(target.text("context")):
        return None
    try:
        return Path(local_path(name)).read_bytes()
    except OSError as error:
        raise BakeError(
            f"the target {target.name!r} cannot be built",
            why=f"{local_path(name)}: {(error.strerror or str(error)).lower()}",
            next_command="correct its dockerfile",
        ) from error
