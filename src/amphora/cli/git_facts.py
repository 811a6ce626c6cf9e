"""Which commit a context is of: labels and provenance, where buildx's variables ask for them.

https://docs.docker.com/build/building/variables/#buildx_git_labels
"""

import os
from collections.abc import Mapping
from pathlib import Path

import click
from msgspec import Struct

from amphora.cli.docker_environment import SWITCHES, is_on
from amphora.core.errors import AmphoraError, InvalidValueError
from amphora.system.process import find_tool, run

_LABELS, _INFO = "BUILDX_GIT_LABELS", "BUILDX_GIT_INFO"

#: A repository cannot have git start a program of its choice.
_SAFE = ("-c", "core.fsmonitor=false")


class GitFacts(Struct, frozen=True):
    """The commit, marked if files differ from it; where it is from; the Dockerfile in there."""

    revision: str
    source: str
    entrypoint: str

    @property
    def vcs(self) -> dict[str, str]:
        """As provenance has it."""
        found = {"revision": self.revision, "source": self.source}
        return {name: value for name, value in found.items() if value}

    def labels(self, *, full: bool) -> dict[str, str]:
        found = {
            "com.docker.image.source.entrypoint": self.entrypoint,
            "org.opencontainers.image.revision": self.revision,
            "org.opencontainers.image.source": self.source if full else "",
        }
        return {name: value for name, value in found.items() if value}


def told_of_git(
    context: str, dockerfile: str | None, environment: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Labels, and what provenance has; nothing unless it is asked for.

    One line says so where a context that is asked about is no repository. Raises
    InvalidValueError for a variable that cannot be so.
    """
    text = environment.get(_LABELS, "")
    if text and text != "full" and text not in SWITCHES:
        raise InvalidValueError(
            f"{_LABELS} cannot be {text[:40]!r}",
            why="it is 1, 0 or full",
            next_command=f"unset {_LABELS}",
        )
    labelled = text == "full" or SWITCHES.get(text, False)
    told = is_on(environment, _INFO)
    if not (labelled or told) or not Path(context).is_dir():
        return {}, {}
    try:
        facts = _facts(Path(context), Path(dockerfile or Path(context, "Dockerfile")))
    except AmphoraError as error:
        click.echo(f"WARN {_LABELS if labelled else _INFO}: {error.why or error.what}", err=True)
        return {}, {}
    return (
        facts.labels(full=text == "full") if labelled else {},
        facts.vcs if told else {},
    )


def _facts(context: Path, dockerfile: Path) -> GitFacts:
    """Raises MissingToolError, and ToolFailedError with what git says."""
    from amphora.remote.location import shown_url

    root = Path(_git(context, "rev-parse", "--show-toplevel"))
    revision = _git(context, "rev-parse", "HEAD")
    dirty = _git(context, "status", "--porcelain", "--untracked-files=no")
    remotes = _git(context, "remote").splitlines()
    source = ""
    if remotes:
        name = "origin" if "origin" in remotes else remotes[0]
        source = shown_url(_git(context, "remote", "get-url", name))
    place = dockerfile.resolve()
    return GitFacts(
        revision=f"{revision}-dirty" if dirty else revision,
        source=source,
        entrypoint=str(place.relative_to(root)) if place.is_relative_to(root) else "",
    )


def _git(directory: Path, *arguments: str) -> str:
    command = [find_tool("git", "git"), *_SAFE, "-C", str(directory), *arguments]
    # Whose repositories are trusted is in the configuration of whoever runs this.
    home = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ}
    return run(command, extra_environment=home).decode(errors="replace").strip()
