"""--filter: which entries of the cache are meant, in buildx's words.

https://docs.docker.com/reference/cli/docker/buildx/prune/#filter
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from amphora.build.dockerfile.values import read_duration
from amphora.core.errors import InvalidValueError
from amphora.oci.cache_entry import CacheEntry, EntryType

#: Is an entry meant?
Filter = Callable[[CacheEntry], bool]

#: BuildKit itself writes `==`, and so do its configuration files.
_FORM = re.compile(r"(?P<key>[^=!~]*)(?:(?P<sign>==?|!=|~=)(?P<value>.*))?", re.DOTALL)
_TRUTHS = {"true": True, "1": True, "": True, "false": False, "0": False}

_FLAGS: Mapping[str, Filter] = MappingProxyType(
    {
        "inuse": lambda entry: entry.in_use,
        "mutable": lambda entry: entry.mutable,
        "immutable": lambda entry: not entry.mutable,
        "shared": lambda entry: entry.shared,
        "private": lambda entry: not entry.shared,
    }
)
#: What `=` compares: how an ID begins, a part of a description, the whole of others.
_TEXTS: Mapping[str, Callable[[CacheEntry, str], bool]] = MappingProxyType(
    {
        "id": lambda entry, value: entry.id.startswith(value),
        "parents": lambda entry, value: all(
            any(parent.startswith(each) for parent in entry.parents) for each in value.split(";")
        ),
        "description": lambda entry, value: value in entry.description,
        "type": lambda entry, value: entry.type == value,
    }
)
_FIELDS: Mapping[str, Callable[[CacheEntry], str]] = MappingProxyType(
    {
        "id": lambda entry: entry.id,
        "parents": lambda entry: ";".join(entry.parents),
        "description": lambda entry: entry.description,
        "type": lambda entry: entry.type,
    }
)
_UNTIL = "until"


def read_filters(texts: Iterable[str], now: float) -> tuple[Filter, ...]:
    """All of them must match; `now` is in seconds since 1970. Raises InvalidValueError."""
    return tuple(_read(text, now) for text in texts)


def matching(entries: Iterable[CacheEntry], filters: Sequence[Filter]) -> list[CacheEntry]:
    return [entry for entry in entries if all(matches(entry) for matches in filters)]


def _read(text: str, now: float) -> Filter:
    found = _FORM.fullmatch(text)
    key, sign, value = found.group("key", "sign", "value") if found else (text, None, None)
    try:
        if key == _UNTIL and sign in {"=", "=="}:
            return _unused_for(read_duration(value or "") / 1e9, now)
        if key in _FLAGS and sign in {None, "=", "=="}:
            return _flag(key, value or "")
        if key in _TEXTS and sign is not None:
            return _text(key, sign, value or "")
    except ValueError as error:
        raise _wrong(text, str(error)) from error
    raise _wrong(text, _why_not(key, sign))


def _unused_for(seconds: float, now: float) -> Filter:
    return lambda entry: entry.used <= now - seconds


def _flag(key: str, value: str) -> Filter:
    if value not in _TRUTHS:
        raise ValueError(f"{key} is true or false")
    wanted, flag = _TRUTHS[value], _FLAGS[key]
    return lambda entry: flag(entry) is wanted


def _text(key: str, sign: str, value: str) -> Filter:
    if key == "type" and sign != "~=" and value not in set(EntryType):
        raise ValueError(f"the types are {', '.join(EntryType)}")
    if sign == "~=":
        try:
            pattern = re.compile(value)
        except re.error as error:
            raise ValueError(f"{value[:40]!r} is no regular expression: {error}") from error
        field = _FIELDS[key]
        return lambda entry: pattern.search(field(entry)) is not None
    compare, wanted = _TEXTS[key], sign != "!="
    return lambda entry: compare(entry, value) is wanted


def _why_not(key: str, sign: str | None) -> str:
    known = (_UNTIL, *_FLAGS, *_TEXTS)
    if key not in known:
        close = get_close_matches(key, known, n=1)
        return f"the keys are {', '.join(known)}" + (f"; did you mean {close[0]}?" if close else "")
    if sign is None:
        return f"{key} needs a value"
    return f"{key} cannot be compared with {sign}"


def _wrong(text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"--filter cannot be {text[:80]!r}",
        why=why,
        next_command="for example --filter until=24h, or --filter type=exec.cachemount",
    )
