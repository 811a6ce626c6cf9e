"""The `amphora` program: its commands, and the one place where it exits."""

import gc
import importlib
import sys
from collections.abc import Mapping
from typing import Any

import click

import amphora
from amphora.cli.builder_names import BUILDER
from amphora.cli.configuration import read_settings
from amphora.cli.guard import EXIT_BROKEN_PIPE, guarded, keep_interrupts
from amphora.core.settings import TABLE

#: How many new objects there are before Python looks for cycles among them.
_OBJECTS = 100_000

#: Name → what it does, in the order of the main job. Modules are imported when used.
COMMANDS: Mapping[str, str] = {
    "base": "Make base images from a distribution's packages.",
    "build": "Build an image for several platforms from one Dockerfile.",
    "bake": "Build the targets of a bake file or a compose file, side by side.",
    "builder": "Builders: stores with limits of their own. What their caches take; prune them.",
    "history": "Look at builds of before, and at those under way.",
    "image": "List, inspect and remove images.",
    "pull": "Fetch an image, all platforms or some, from a registry.",
    "push": "Send an image, all platforms of it, to a registry.",
    "run": "Run a command in a container of an image, for any platform.",
    "exec": "Run another command in a container that runs.",
    "ps": "List containers.",
    "logs": "Show what a container in the background wrote.",
    "stop": "End containers that run.",
    "wait": "Wait for the end of containers, and tell their exit status.",
    "rm": "Remove what is kept of containers that ended.",
    "volume": "Make, list and remove volumes: directories that outlive containers.",
    "verify": "Hold every variant of an image to its label: its files, and a run.",
    "doctor": "Look at this machine, an image or a log: what is wrong, and what mends it.",
    "emulator": "Have this machine run programs of other CPUs, now and after a reboot.",
    "explain-handoff": "List what of an image builds run natively, what not, and why.",
    "registry": "Serve images from this machine.",
    "store": "Check and clean the store of images and layers.",
    "completion": "Print the completion script for a shell.",
    "version": "Show the version of Amphora and of what it runs.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when one is called, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"amphora.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would call it a failure that nobody reads on."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _settings_flags(command: click.Command) -> click.Command:
    """One flag for each row of the settings table."""
    for setting in TABLE:
        text = f"{setting.help}  [{setting.variable}; default: {setting.default_text}]"
        kind = BUILDER if setting.key == "builder" else None
        command.params.append(
            click.Option([setting.flag], type=kind, metavar=setting.metavar, help=text)
        )
    return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(amphora.__version__, prog_name="amphora")
@click.pass_context
def cli(context: click.Context, /, **flags: str | None) -> None:
    """Build, prove and ship images for ARM64 and x86-64 from one machine."""
    context.obj = read_settings(flags)


_settings_flags(cli)


def main() -> None:
    """Run the program and exit with its status."""
    # Modules are made of many objects and of no garbage: looking for it took a fifth of a start.
    gc.set_threshold(_OBJECTS)
    keep_interrupts()
    sys.exit(guarded(lambda: cli.main(prog_name="amphora", standalone_mode=False)))
