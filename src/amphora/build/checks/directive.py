"""Which checks count: `# check=skip=…;error=true;experimental=…`, or the build arg for it.

https://docs.docker.com/reference/dockerfile/#check
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from amphora.build.dockerfile.parser import Dockerfile
from amphora.build.dockerfile.source import Notice
from amphora.core.errors import DockerfileError

#: The build arg that stands in for the directive.
BUILD_ARG = "BUILDKIT_DOCKERFILE_CHECK"

_ALL = "all"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

#: Checks that only those see who ask for them.
EXPERIMENTAL = frozenset({"InvalidDefinitionDescription"})


class CheckSettings(Struct, frozen=True):
    """Names of checks, as they are written; `error`: a build with any violation fails."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def kept(self, notices: Iterable[Notice]) -> list[Notice]:
        """Those that count, in the order of their lines."""
        return sorted(filter(self._counts, notices), key=lambda notice: notice.line)

    def _counts(self, notice: Notice) -> bool:
        if notice.rule in EXPERIMENTAL and not self.experimental & {notice.rule, _ALL}:
            return False
        return not self.skip & {notice.rule, _ALL}


def check_settings(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> CheckSettings:
    """Those of a build; raises DockerfileError for a directive that says something else."""
    text = build_args.get(BUILD_ARG, dockerfile.check or "")
    lists: dict[str, frozenset[str]] = {}
    error = False
    for part in filter(None, text.split(";")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and name in {"skip", "experimental"}:
            lists[name] = frozenset(item.strip() for item in value.split(","))
        elif name == "error" and value.lower() in _BOOLEANS:
            error = _BOOLEANS[value.lower()]
        else:
            raise DockerfileError(
                f"the check directive of {dockerfile.filename} cannot be {text[:80]!r}",
                why=f"{part[:40]!r} is none of skip=, error=true|false and experimental=",
                next_command="write for example `# check=skip=JSONArgsRecommended;error=true`",
            )
    return CheckSettings(**lists, error=error)
