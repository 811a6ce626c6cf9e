"""--cache-from and --cache-to of `amphora build`, as buildx spells them.

https://docs.docker.com/build/cache/backends/
"""

import csv
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from amphora.build.caches.places import CachePlace
from amphora.cli.cache_kinds import KINDS, Fields
from amphora.core.errors import InvalidValueError

F = TypeVar("F", bound=Callable[..., Any])

_MODES = ("min", "max")
#: Options whose values are nobody's business, in a message as in a log.
_SECRET = re.compile(r'([^,="]*(?:key|secret|token)[^,="]*=)[^,]*', re.IGNORECASE)


def _read_all(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[CachePlace, ...]:
    return tuple(read_cache(parameter.opts[0], value, os.environ) for value in values)


def cache_options(function: F) -> F:
    """Add the flags to a command, which gets them as `cache_from` and `cache_to`."""
    for option in (
        click.option(
            "--cache-to",
            multiple=True,
            callback=_read_all,
            metavar="type=local|registry|inline|gha|s3|azblob|gcs,…",
            help="Add what steps made to a cache for other machines; mode=max: of all stages.",
        ),
        click.option(
            "--cache-from",
            multiple=True,
            callback=_read_all,
            metavar="IMAGE|type=local|registry|gha|s3|azblob|gcs,…",
            help="Take what steps made from there, where the store does not know it.",
        ),
    ):
        function = option(function)
    return function


def read_cache(flag: str, text: str, environment: Mapping[str, str]) -> CachePlace:
    """One place; raises InvalidValueError, which shows no secret."""
    fields = _fields(flag, text)
    try:
        return _read(flag, fields, environment)
    except ValueError as error:
        raise _wrong(flag, text, str(error)) from error


def _read(flag: str, fields: dict[str, str], environment: Mapping[str, str]) -> CachePlace:
    """Raises ValueError with the reason, and InvalidValueError for what is no reference."""
    writes = flag == "--cache-to"
    name = fields.pop("type", "")
    if name == "inline" and not writes:
        raise ValueError("what is inline is read with type=registry,ref=IMAGE")
    if name not in KINDS:
        raise ValueError(f"its types are {', '.join(KINDS)}")
    kind = KINDS[name]
    known = kind.options(writes=writes)
    for option in fields:
        if option not in known:
            why = f"type={name} has no option {option[:40]!r}; its options are"
            raise ValueError(f"{why} {', '.join(known)}")
    mode = fields.get("mode", "min")
    if mode not in _MODES:
        raise ValueError(f"mode is {' or '.join(_MODES)}")
    asked = Fields(name, writes, fields, environment)
    where = kind.read(asked)
    return CachePlace(where, everything=mode == "max", ignore_error=asked.truth("ignore-error"))


def _fields(flag: str, text: str) -> dict[str, str]:
    """As in a line of CSV; a word alone is an image."""
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise _wrong(flag, text, str(error)) from error
    if len(parts) == 1 and "=" not in parts[0]:
        return {"type": "registry", "ref": parts[0]}
    pairs = [part.partition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        raise _wrong(flag, text, "it is written as NAME=VALUE,…")
    return {name.strip().lower(): value for name, _, value in pairs}


def _wrong(flag: str, text: str, why: str) -> InvalidValueError:
    shown = _SECRET.sub(r"\1…", text)
    example = f"{flag} type=registry,ref=localhost:5000/cache"
    return InvalidValueError(
        f"{flag} cannot be {shown!r}", why=why, next_command=f"as in {example}"
    )
