"""`amphora run`."""

import os
import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from amphora.cli.containers import STDIN, check_terminal, docker_status
from amphora.cli.guard import guarded
from amphora.cli.options import REFERENCE, pass_settings
from amphora.cli.worker import run_async
from amphora.core.platform import Platform
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.launch.request import LaunchRequest
    from amphora.system.cgroups import Group


def _read_platform(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> Platform | None:
    return Platform.parse(text) if text else None


def _many(*names: str, metavar: str, help_text: str) -> Callable[..., Any]:
    return click.option(*names, multiple=True, metavar=metavar, help=help_text)


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@click.argument("arguments", nargs=-1, metavar="[COMMAND...]")
@click.option(
    "--platform",
    callback=_read_platform,
    metavar="PLATFORM",
    envvar="DOCKER_DEFAULT_PLATFORM",
    show_envvar=True,
    help="Which variant. Default: this machine's, or the only one there is.",
)
@click.option(
    "--pull",
    type=click.Choice(["always", "missing", "never"]),
    default="missing",
    show_default=True,
    help="When to ask the registry for the image.",
)
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="In the background: print the name and go on. What it writes is kept for `amphora logs`.",
)
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@_many("-e", "--env", metavar="NAME[=VALUE]", help_text="A variable; without value, yours.")
@_many("--env-file", metavar="FILE", help_text="Variables, one a line.")
@_many(
    "-v",
    "--volume",
    metavar="PATH|NAME:TARGET[:ro]",
    help_text="Show a file or directory of this machine, or a volume, in the container.",
)
@_many(
    "--mount",
    metavar="type=bind|volume|tmpfs,...",
    help_text="The same, or a directory in memory, with named fields.",
)
@_many("--tmpfs", metavar="TARGET[:size=,mode=]", help_text="An empty directory, in memory only.")
@click.option("-w", "--workdir", metavar="DIRECTORY", help="Where the command starts.")
@click.option("-u", "--user", metavar="USER[:GROUP]", help="Who runs the command.")
@click.option("--entrypoint", metavar="PROGRAM", help="In place of the image's ENTRYPOINT.")
@click.option(
    "--rm",
    is_flag=True,
    help="With -d, keep nothing when it has ended; without, that is always so.",
)
@click.option("--name", metavar="NAME", help="What to call the container. Default: a number.")
@click.option("--hostname", metavar="NAME", help="The container's host name.")
@click.option(
    "--network",
    type=click.Choice(["default", "private", "host", "none"]),
    default="default",
    show_default=True,
    help="`private` is one of its own with a way out through pasta; `default` is that or, where "
    "it cannot be, the host's.",
)
@_many(
    "-p",
    "--publish",
    metavar="[ADDRESS:]PORT:PORT[/udp]",
    help_text="Lead a port of this machine to one of the container's.",
)
@_many(
    "--add-host",
    metavar="NAME:ADDRESS",
    help_text="A line for /etc/hosts; `host-gateway` is this machine's address.",
)
@click.option("-m", "--memory", metavar="SIZE", help="The most memory all of it may take.")
@click.option("--cpus", type=click.FloatRange(min=0.01), help="The most CPUs it may use.")
@click.option("--pids-limit", type=int, metavar="N", help="The most processes it may have.")
@click.option("--shm-size", metavar="SIZE", help="Size of /dev/shm. Default: 64m.")
@_many("--ulimit", metavar="NAME=SOFT[:HARD]", help_text="A resource limit.")
@click.option("--read-only", is_flag=True, help="Nothing below / can be written to.")
@_many("--cap-add", metavar="CAPABILITY", help_text="Allow more, such as NET_ADMIN; or ALL.")
@_many("--cap-drop", metavar="CAPABILITY", help_text="Allow less; or ALL.")
@click.option("--init", is_flag=True, help="Have tini reap processes and pass signals on.")
@click.option(
    "--handoff",
    type=click.Choice(["off", "exact"]),
    default="off",
    show_default=True,
    help="Give programs of another CPU to the same programs of this one, where there are any.",
)
@pass_settings
def command(settings: Settings, /, **given: Any) -> None:
    """Run a command in a container of an image, for any platform.

    The image is fetched if it is not in the store. What the command changes is gone when it
    ends, but for what -v shows it; with -d, what it wrote and its exit status are kept. The exit
    status is the command's; 125 if Amphora failed, 126 or 127 if the command cannot be executed
    or is not there.
    """
    status = docker_status(lambda: _run(settings, given))
    raise click.exceptions.Exit(status)


def _run(settings: Settings, given: dict[str, Any]) -> int:
    from amphora.cli.launching import read_request
    from amphora.system.background import run_in_background
    from amphora.system.terminal import kept_as_it_is

    request = read_request(given, os.environ, name=given.pop("name") or secrets.token_hex(6))
    if not request.background:
        check_terminal(interactive=request.interactive, terminal=request.terminal)
        with kept_as_it_is(STDIN):
            return _launch(settings, request, lambda: None)
    status = run_in_background(
        lambda begun: guarded(lambda: docker_status(lambda: _launch(settings, request, begun)))
    )
    if status is None:
        click.echo(request.name)
    return status or 0


def _launch(settings: Settings, request: "LaunchRequest", begun: Callable[[], None]) -> int:
    from amphora.cli.launching import say
    from amphora.runtime.foreground import PASSED_ON
    from amphora.system.cgroups import limited
    from amphora.system.namespace import run_inside

    with limited(request.allowances.together, say) as group:
        body = partial(_inside, settings, request, os.getpid(), group, begun)
        return run_inside(lambda: guarded(lambda: docker_status(body)), passing_on=PASSED_ON)


def _inside(
    settings: Settings,
    request: "LaunchRequest",
    process: int,
    group: "Group | None",
    begun: Callable[[], None],
) -> int:
    from amphora.cli.access import open_store
    from amphora.cli.launching import helpers
    from amphora.launch.launch import launch

    with open_store(settings) as store:
        return run_async(launch(request, store, helpers(settings, store, process, group, begun)))
