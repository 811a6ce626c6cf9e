"""Names of builders on the command line: checked, and completed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from amphora.cli.completing import Completing
from amphora.core.errors import InvalidValueError
from amphora.core.settings import DEFAULT_BUILDER, read_builder_name


class BuilderName(Completing[str]):
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

    def names(self, context: click.Context) -> Iterator[str]:
        from amphora.builders.directory import Builders
        from amphora.cli.configuration import read_settings

        yield DEFAULT_BUILDER
        directory = read_settings(context.find_root().params).builder_directory
        yield from (each.name for each in Builders(Path(directory)).all())


BUILDER = BuilderName()
