"""Arguments and values that a shell completes: names that are looked for while one is typed."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from amphora.cli.configuration import at_builder, read_settings
from amphora.core.errors import AmphoraError

T = TypeVar("T")


class Completing(click.ParamType[T]):
    """A type whose values are names; `names` says which there are."""

    def names(self, context: click.Context) -> Iterable[str]:
        """The names that there are; may raise OSError and AmphoraError."""
        raise NotImplementedError

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that begin so; whoever completes a word wants no error."""
        del param
        found: list[CompletionItem] = []
        with suppress(OSError, AmphoraError):
            names = self.names(ctx)
            found.extend(CompletionItem(name) for name in names if name.startswith(incomplete))
        return found


def completing_store(context: click.Context) -> Path:
    """The store whose names complete the word that is being typed.

    Raises what `read_settings` and `at_builder` raise.
    """
    return Path(at_builder(read_settings(context.find_root().params)).store)
