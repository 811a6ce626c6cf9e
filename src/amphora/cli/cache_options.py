"""--cache-from and --cache-to of `amphora build`, as buildx spells them.

https://docs.docker.com/build/cache/backends/
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from amphora.build.cache_place import CachePlace
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference

F = TypeVar("F", bound=Callable[..., Any])

_MODES = ("min", "max")
#: What buildx has to be asked for and is always so here: an image manifest with OCI's types.
_ALWAYS = {"image-manifest": "true", "oci-mediatypes": "true"}
_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "--cache-from": {"local": ("src",), "registry": ("ref",)},
    "--cache-to": {"local": ("dest", "mode"), "registry": ("ref", "mode", *_ALWAYS)},
}


def _read_all(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[CachePlace, ...]:
    return tuple(read_cache(parameter.opts[0], value) for value in values)


def cache_options(function: F) -> F:
    """Add the flags to a command, which gets them as `cache_from` and `cache_to`."""
    for option in (
        click.option(
            "--cache-to",
            multiple=True,
            callback=_read_all,
            metavar="type=local,dest=DIR|type=registry,ref=IMAGE",
            help="Add what steps made to a cache for other machines; mode=max: of all stages.",
        ),
        click.option(
            "--cache-from",
            multiple=True,
            callback=_read_all,
            metavar="type=local,src=DIR|[type=registry,ref=]IMAGE",
            help="Take what steps made from there, where the store does not know it.",
        ),
    ):
        function = option(function)
    return function


def read_cache(flag: str, text: str) -> CachePlace:
    """One place; raises InvalidValueError."""
    fields = _fields(flag, text)
    kind = fields.pop("type", "")
    known = _OPTIONS[flag]
    if kind not in known:
        raise _wrong(flag, text, f"its types are {' and '.join(known)}")
    for name, value in fields.items():
        if name not in known[kind]:
            why = f"type={kind} has no option {name[:40]!r}; its options are"
            raise _wrong(flag, text, f"{why} {', '.join(known[kind])}")
        if name in _ALWAYS and value != _ALWAYS[name]:
            raise _wrong(flag, text, f"{name} is always {_ALWAYS[name]} here")
    place = fields.get(known[kind][0], "")
    if not place:
        raise _wrong(flag, text, f"type={kind} needs {known[kind][0]}")
    mode = fields.get("mode", "min")
    if mode not in _MODES:
        raise _wrong(flag, text, f"mode is {' or '.join(_MODES)}")
    if kind == "local":
        return CachePlace(path=Path(place).absolute(), everything=mode == "max")
    return CachePlace(reference=Reference.parse(place), everything=mode == "max")


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
    example = f"{flag} type=registry,ref=localhost:5000/cache"
    return InvalidValueError(f"{flag} cannot be {text!r}", why=why, next_command=f"as in {example}")
