"""Variables of the environment that people have set for docker and buildx.

https://docs.docker.com/build/building/variables/#build-tool-configuration-variables,
https://docs.docker.com/reference/cli/docker/#environment-variables
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform, parse_platforms

if TYPE_CHECKING:
    from amphora.build.request import BuildRequest

_PLATFORM = "DOCKER_DEFAULT_PLATFORM"
_PROVENANCE = "BUILDX_METADATA_PROVENANCE"
_WARNINGS = "BUILDX_METADATA_WARNINGS"

#: What Go reads as true and as false, which is how buildx reads switches.
SWITCHES = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def bake_secrets(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Who asks for a definition in a repository, as secrets of a build are called.

    https://docs.docker.com/build/bake/remote-definition/#remote-definition-in-a-private-repository
    """
    return {
        name: os.fsencode(environment[f"BUILDX_BAKE_{name}"])
        for name in ("GIT_AUTH_TOKEN", "GIT_AUTH_HEADER")
        if environment.get(f"BUILDX_BAKE_{name}")
    }


def default_platforms(environment: Mapping[str, str]) -> tuple[Platform, ...]:
    """What to build for where no --platform says so; none for this machine's platform.

    Raises InvalidValueError.
    """
    text = environment.get(_PLATFORM, "")
    try:
        return parse_platforms([text]) if text else ()
    except InvalidValueError as error:
        error.what = f"{_PLATFORM}: {error.what}"
        raise


def is_on(environment: Mapping[str, str], name: str) -> bool:
    """Is a switch on? Raises InvalidValueError for what is none."""
    text = environment.get(name, "")
    if text and text not in SWITCHES:
        raise InvalidValueError(
            f"{name} cannot be {text[:40]!r}", why="it is 1 or 0", next_command=f"unset {name}"
        )
    return SWITCHES.get(text, False)


def provenance_told(environment: Mapping[str, str]) -> str:
    """Which provenance the metadata file has: min, max, none, or empty for what is attached.

    Raises InvalidValueError.
    """
    text = environment.get(_PROVENANCE, "")
    if text == "disabled" or SWITCHES.get(text) is False:
        return "none"
    if SWITCHES.get(text):
        return "min"
    if text not in {"", "min", "max"}:
        raise InvalidValueError(
            f"{_PROVENANCE} cannot be {text[:40]!r}",
            why="it is min, max or disabled",
            next_command=f"unset {_PROVENANCE}",
        )
    return text


def with_provenance_told(request: "BuildRequest", environment: Mapping[str, str]) -> "BuildRequest":
    """The request of a build that has a metadata file: provenance may be for that alone."""
    from amphora.build.attest.options import ProvenanceOptions

    mode = provenance_told(environment)
    if mode not in {"min", "max"} or request.attest.provenance is not None:
        return request
    told = ProvenanceOptions(complete=mode == "max", filename="", attached=False)
    return replace(request, attest=replace(request.attest, provenance=told))


def tells_warnings(environment: Mapping[str, str]) -> bool:
    """Does the metadata file have the warnings of the build? Raises InvalidValueError."""
    return is_on(environment, _WARNINGS)
