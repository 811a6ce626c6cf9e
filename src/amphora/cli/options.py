"""Options and arguments that several commands share."""

from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import Any, TypeVar

import click
from msgspec import Struct

from amphora.cli.completing import Completing, completing_store
from amphora.cli.configuration import at_builder, read_settings
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform, parse_platforms
from amphora.core.reference import Reference
from amphora.core.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

#: Give a command the settings as they are, whatever builder is chosen.
pass_own_settings = click.make_pass_decorator(Settings)


def pass_settings(function: F) -> F:
    """Give a command the settings as its first argument, those of the chosen builder in them.

    Calling it raises BuilderError if that is not there.
    """

    @click.pass_context
    def given(context: click.Context, /, *arguments: Any, **options: Any) -> Any:
        settings = at_builder(context.obj)
        return context.invoke(function, settings, *arguments, **options)

    return update_wrapper(given, function)  # type: ignore[return-value]


def _choose_builder(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is not None:
        context.obj = read_settings({**context.find_root().params, "builder": name})


builder_option = click.option(
    "--builder",
    expose_value=False,
    callback=_choose_builder,
    metavar="NAME",
    help="The builder to work with; the same as before the command.",
)


def platform_option(help_text: str) -> Callable[[F], F]:
    """`--platform a,b --platform c`, as a tuple of platforms."""

    def read(
        _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
    ) -> tuple[Platform, ...]:
        return parse_platforms(values)

    return click.option(
        "--platform", "platforms", multiple=True, callback=read, metavar="PLATFORMS", help=help_text
    )


format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)


progress_option = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "tty", "quiet", "none", "rawjson"]),
    default="auto",
    show_default=True,
    envvar="BUILDKIT_PROGRESS",
    show_envvar=True,
    help="How to show what goes on; none prints nothing at all but errors.",
)


class ReferenceType(Completing[Reference]):
    """An image reference; names in the store complete."""

    name = "image"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Reference:
        del param, ctx
        return value if isinstance(value, Reference) else Reference.parse(value)

    def names(self, context: click.Context) -> Iterator[str]:
        from amphora.oci.store import Store

        root = completing_store(context)
        # Whoever completes a word wants no new store.
        if root.is_dir():
            yield from (image.reference.familiar for image in Store(root).images())


REFERENCE = ReferenceType()


def read_pairs(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """`NAME=VALUE`, repeated, as a mapping."""
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise InvalidValueError(
                f"{parameter.opts[0]} cannot be {name or '='!r}",
                why="it is written as NAME=VALUE",
                next_command=f"for example {parameter.opts[0]} VERSION=1.0",
            )
    return {name: value for name, _, value in pairs}


def wrong_value(flag: str, text: str, why: str, example: str) -> InvalidValueError:
    """What is said of a flag's value that cannot be."""
    return InvalidValueError(f"{flag} cannot be {text!r}", why=why, next_command=f"as in {example}")


class Call(Struct, frozen=True):
    """What --call asks for: build, check, outline, plan or targets."""

    method: str = "build"
    as_json: bool = False


def read_call(_context: click.Context, _parameter: click.Parameter, value: str) -> Call:
    return parse_call(value)


def parse_call(value: str) -> Call:
    """`METHOD[,format=json]`; `lint` is BuildKit's other name for check."""
    method, _, option = value.partition(",")
    method = "check" if method == "lint" else method
    if method not in {"build", "check", "outline", "plan", "targets"} or option not in {
        "",
        "format=json",
        "format=text",
    }:
        raise InvalidValueError(
            f"--call cannot be {value!r}",
            why="it is build, check, outline, plan or targets, and format=json may follow",
            next_command="for example --call outline,format=json",
        )
    return Call(method, option == "format=json")
