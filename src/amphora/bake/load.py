"""From the files of a build definition, in all their forms, to targets and groups."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from amphora.bake.compose.interpolation import read_environment
from amphora.bake.compose.services import compose_configuration
from amphora.bake.definitions import Definitions
from amphora.bake.files import File
from amphora.bake.target import Configuration
from amphora.bake.variables import Listed
from amphora.core.errors import BakeError
from amphora.core.platform import Platform

_ENVIRONMENT_FILE = ".env"

#: buildx' own switch: with it, variables are set by --var only.
_NO_ENVIRONMENT = "BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP"


class Loaded(Struct, frozen=True):
    configuration: Configuration
    variables: Sequence[Listed]


def load(
    files: Sequence[File],
    *,
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    context: str = "cwd://",
) -> Loaded:
    """What the files define. `variables` are those of --var; raises BakeError.

    `context` is where a definition that came from elsewhere finds its files.
    """
    hidden = environment.get(_NO_ENVIRONMENT, "").lower() in {"1", "true", "t"}
    seen = {**({} if hidden else environment), **variables}
    try:
        composed = _composed([file for file in files if file.is_compose], seen)
        bodies = [file.body() for file in files if not file.is_compose]
        builtin = {"BAKE_CMD_CONTEXT": context, "BAKE_LOCAL_PLATFORM": str(Platform.host())}
        definitions = Definitions(bodies, builtin, seen.get)
        return Loaded(definitions.configuration(composed), definitions.listed())
    except RecursionError:
        raise BakeError(
            "the bake file is nested too deeply",
            why="some name or expression leads to too many others",
            next_command="simplify it",
        ) from None


def _composed(files: Sequence[File], environment: Mapping[str, str]) -> Configuration:
    """Compose files also see what `.env` in the working directory sets."""
    if not files:
        return Configuration()
    path = Path(_ENVIRONMENT_FILE)
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        seen = read_environment(text, environment)
    except (OSError, ValueError) as error:
        raise BakeError(
            f"cannot read {path.absolute()}",
            why=str(error),
            next_command="correct it, or remove it",
        ) from error
    return compose_configuration(files, seen)
