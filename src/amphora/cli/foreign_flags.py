"""What `docker buildx create` takes and means nothing here: each says what to type instead.

https://docs.docker.com/reference/cli/docker/buildx/create/
"""

import click

from amphora.core.errors import InvalidValueError

_NODES = ("a builder is one machine here, this one", "amphora builder create --platform LIST")
_DAEMON = ("no BuildKit runs", "amphora --help lists the settings")

#: Flag → why it is not here, and what to type instead.
_FOREIGN = {
    "--driver-opt": (
        "there is no driver that takes options",
        "for limits: amphora builder create --memory 2g --cpus 1.5",
    ),
    "--append": _NODES,
    "--leave": _NODES,
    "--node": _NODES,
    "--buildkitd-config": _DAEMON,
    "--buildkitd-flags": _DAEMON,
}

#: The driver that is what ours are: apart from others, with a cache of its own.
_DRIVER = "docker-container"


class CreateCommand(click.Command):
    """A command that knows such flags when it sees them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises InvalidValueError for one of them."""
        for word in args:
            flag = word.partition("=")[0]
            if flag in _FOREIGN:
                why, remedy = _FOREIGN[flag]
                raise InvalidValueError(f"{flag} is not supported", why=why, next_command=remedy)
        return super().parse_args(ctx, args)


def check_driver(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    """Raises InvalidValueError for one that is not as ours are."""
    if value not in {None, _DRIVER}:
        raise InvalidValueError(
            f"--driver cannot be {value!r}",
            why=f"builds run on this machine, without a daemon; closest to that is {_DRIVER}",
            next_command="amphora builder create, without --driver",
        )


def refuse_endpoint(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    """Raises InvalidValueError if there is one."""
    if value is not None:
        raise InvalidValueError(
            f"a builder cannot be made at {value!r}",
            why="as with buildx that would be a context of docker or an endpoint, and builders"
            " here are on this machine",
            next_command=f"if it is a name: amphora builder create --name {value}",
        )
