"""Help of a command with many options: a heading for each kind of them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click


class GroupedCommand(click.Command):
    """`groups` are headings with the names of their options; others stand last.

    `without_value` has options that take a value only behind `=`, and what they mean without:
    click would take the next word for it.
    """

    def __init__(
        self,
        *arguments: Any,
        groups: Mapping[str, Sequence[str]],
        without_value: Mapping[str, str] = MappingProxyType({}),
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self._groups = groups
        self._without_value = without_value

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write out what options mean that stand without a value."""
        given = (
            f"{word}={self._without_value[word]}" if word in self._without_value else word
            for word in args
        )
        return super().parse_args(ctx, list(given))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {
            str(parameter.name): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(ctx)) is not None
        }
        for heading, names in self._groups.items():
            with formatter.section(heading):
                formatter.write_dl([records.pop(name) for name in names])
        with formatter.section("Other options"):
            formatter.write_dl(list(records.values()))
