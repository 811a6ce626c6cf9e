"""The flags of `amphora build` that are about RUN, as docker and buildx spell them."""

import ipaddress
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from amphora.cli.options import wrong_value
from amphora.core.errors import InvalidValueError

if TYPE_CHECKING:
    from amphora.build.run_options import RunOptions
    from amphora.runtime.spec import Limit

F = TypeVar("F", bound=Callable[..., Any])

#: As with BuildKit: a secret is a password or a key, not a file system.
_MOST_SECRET = 500 * 1024


def _read_allowed(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    from amphora.build.run_options import ENTITLEMENTS

    for value in values:
        if value.partition("=")[0] == "device":
            raise InvalidValueError(
                f"--allow cannot be {value!r}",
                why="a build here has no devices but null, zero, full, random, urandom and tty",
                next_command="use the device where the image runs",
            )
        if value not in ENTITLEMENTS:
            known = " or ".join(ENTITLEMENTS)
            raise wrong_value("--allow", value, f"it is {known}", f"--allow {ENTITLEMENTS[0]}")
    return values


_OPTIONS = (
    click.option(
        "--network",
        type=click.Choice(["default", "none", "host"]),
        default="default",
        show_default=True,
        help="Network of each RUN that names none. `default` is one of its own with a way out "
        "through pasta, or, where that cannot be, the host's.",
    ),
    click.option(
        "--allow",
        "allowed",
        multiple=True,
        callback=_read_allowed,
        metavar="network.host|security.insecure",
        help="What RUN --network=host and RUN --security=insecure need.",
    ),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="id=ID[,src=FILE|,env=NAME]",
        help="A secret for RUN --mount=type=secret; never part of the image.",
    ),
    click.option(
        "--ssh",
        "agents",
        multiple=True,
        metavar="ID[=SOCKET|KEY]",
        help="An SSH agent, or a key, for RUN --mount=type=ssh. `default`: $SSH_AUTH_SOCK.",
    ),
    click.option(
        "--add-host",
        "hosts",
        multiple=True,
        metavar="NAME:ADDRESS",
        help="A line for the /etc/hosts of each RUN. `host-gateway` is this machine's address.",
    ),
    click.option("--shm-size", metavar="SIZE", help="Size of /dev/shm. Default: 64m."),
    click.option(
        "--ulimit",
        "limits",
        multiple=True,
        metavar="NAME=SOFT[:HARD]",
        help="A resource limit of each RUN, such as nofile=1024:4096.",
    ),
)


def run_options(function: F) -> F:
    """Add the flags to a command, which gets them as `network`, `allowed`, `secrets`, ….

    `read_run_options` takes them as they are.
    """
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_run_options(
    *,
    network: str,
    allowed: tuple[str, ...],
    secrets: tuple[str, ...],
    agents: tuple[str, ...],
    hosts: tuple[str, ...],
    shm_size: str | None,
    limits: tuple[str, ...],
) -> "RunOptions":
    """The build's RunOptions; secrets are read here. Raises InvalidValueError."""
    from amphora.build.dockerfile.mounts import read_size
    from amphora.build.run_options import RunOptions

    # buildx, too, takes --network=host for permission to use it.
    permitted = frozenset(allowed) | ({"network.host"} if network == "host" else frozenset())
    shared_memory = None
    if shm_size is not None:
        try:
            shared_memory = read_size(shm_size)
        except ValueError as error:
            raise wrong_value("--shm-size", shm_size, str(error), "--shm-size 128m") from error
    return RunOptions(
        network=network,
        allowed=permitted,
        hosts=dict(map(read_host, hosts)),
        shared_memory=shared_memory,
        limits=[read_limit(text) for text in limits],
        secrets=dict(_read_secret(text, os.environ) for text in secrets),
        agents=dict(_read_agent(text, os.environ) for text in agents),
    )


def _read_secret(text: str, environment: Mapping[str, str]) -> tuple[str, bytes]:
    """`id=ID` alone means the variable of that name, or else the file; as with buildx."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    name, kind = fields.pop("id", ""), fields.pop("type", "")
    path = fields.pop("src", "") or fields.pop("source", "")
    variable = fields.pop("env", "")
    if fields or not name or kind not in {"", "file", "env"}:
        # Not the text itself: whoever mistypes may have put the secret there.
        raise wrong_value(
            "--secret", f"id={name}", "its fields are id, src and env", "--secret id=token,src=FILE"
        )
    if kind == "env" and not variable:
        variable, path = path or name, ""
    if not path and not variable:
        variable, path = (name, "") if name in environment else ("", name)
    return name, _read_variable(name, variable, environment) if variable else _read_file(path)


def _read_variable(name: str, variable: str, environment: Mapping[str, str]) -> bytes:
    if variable not in environment:
        raise InvalidValueError(
            f"the secret {name!r} cannot be read",
            why=f"the environment has no {variable}",
            next_command=f"export {variable}=…, or give src=FILE",
        )
    return os.fsencode(environment[variable])


def _read_file(path: str) -> bytes:
    """A regular file of a size that a secret has, whoever changes it meanwhile."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidValueError(
                    f"the secret {path} cannot be read",
                    why="it is not a regular file",
                    next_command="write the secret to a file, or give env=NAME",
                )
            content = file.read(_MOST_SECRET + 1)
    except OSError as error:
        raise InvalidValueError(
            f"the secret {path} cannot be read",
            why=str(error.strerror).lower(),
            next_command="give the right file with src=, or env=NAME",
        ) from error
    if len(content) > _MOST_SECRET:
        raise InvalidValueError(
            f"the secret {path} is too large",
            why=f"a secret has {_MOST_SECRET // 1024} KiB at most",
            next_command="give the part that is secret",
        )
    return content


def _read_agent(text: str, environment: Mapping[str, str]) -> tuple[str, list[Path]]:
    name, equals, paths = text.partition("=")
    if not equals:
        paths = environment.get("SSH_AUTH_SOCK", "")
    if not name or not paths:
        why = "no ID stands before the `=`" if not name else "SSH_AUTH_SOCK is not set"
        raise wrong_value("--ssh", text, why, "eval $(ssh-agent); ssh-add; --ssh default")
    return name, [Path(path).absolute() for path in paths.split(",")]


def read_host(text: str) -> tuple[str, str]:
    """`NAME:ADDRESS` or `NAME=ADDRESS`; IPv6 addresses may stand in brackets.

    `host-gateway` is an address as well: that of this machine.
    """
    separator = "=" if "=" in text else ":"
    name, _, address = text.partition(separator)
    address = address.removeprefix("[").removesuffix("]")
    try:
        if address != "host-gateway":
            ipaddress.ip_address(address)
    except ValueError:
        name = ""
    if not name or any(character.isspace() for character in name):
        raise wrong_value(
            "--add-host", text, "it is a name and an address", "--add-host db:10.0.0.5"
        )
    return name, address


def read_limit(text: str) -> "Limit":
    """docker's names are those of setrlimit(2) without RLIMIT_."""
    import resource

    from amphora.runtime.spec import Limit

    name, _, values = text.partition("=")
    soft, colon, hard = values.partition(":")
    kind = f"RLIMIT_{name.upper()}"
    hard = hard if colon else soft
    why = ""
    if not hasattr(resource, kind):
        why = f"Linux has no limit {name[:40]!r}"
    elif not (soft.isdecimal() and hard.isdecimal()):
        why = "limits are numbers"
    elif int(soft) > int(hard):
        why = "the soft limit is above the hard one"
    if why:
        raise wrong_value("--ulimit", text, why, "--ulimit nofile=1024:4096")
    return Limit(kind, int(soft), int(hard))
