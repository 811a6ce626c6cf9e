"""Names of builders on the command line: checked, and completed."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from amphora.core.errors import AmphoraError, InvalidValueError
from amphora.core.settings import DEFAULT_BUILDER, read_builder_name


class BuilderName(click.ParamType[str]):
    """A name that a builder may have; completes to those that there are."""

    name = "builder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del ctx
        try:
            return read_builder_name(value)
        except ValueError as error:
            raise InvalidValueError(
                f"{param.human_readable_name if param else 'a builder'} cannot be {value!r}",
                why=str(error),
                next_command="amphora builder ls",
            ) from error

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        from amphora.builders.directory import Builders
        from amphora.cli.configuration import read_settings

        names = [DEFAULT_BUILDER]
        # Whoever completes a word wants no error.
        with suppress(OSError, AmphoraError):
            directory = read_settings(ctx.find_root().params).builder_directory
            names += [each.name for each in Builders(Path(directory)).all()]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


BUILDER = BuilderName()
