"""The build args that the builder itself obeys, as BuildKit does.

https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args
"""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from amphora.core.errors import InvalidValueError

if TYPE_CHECKING:
    from amphora.build.request import BuildRequest
    from amphora.cli.output_options import Wanted

_EPOCH = "SOURCE_DATE_EPOCH"
_HOST_NAME = "BUILDKIT_SANDBOX_HOSTNAME"
_CACHE_MOUNTS = "BUILDKIT_CACHE_MOUNT_NS"
_INLINE_CACHE = "BUILDKIT_INLINE_CACHE"
_INDEX = "BUILDKIT_MULTI_PLATFORM"

#: What Go's strconv.ParseBool takes, and so BuildKit.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("", "0", "f", "F", "FALSE", "false", "False"), False),
}
_A_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62})")


def obeying_builtin_args(request: "BuildRequest") -> "BuildRequest":
    """What is asked for, with what its build args ask for; raises InvalidValueError."""
    import dataclasses

    from msgspec.structs import replace

    from amphora.build.caches.places import CachePlace, Inline

    given = request.build_args
    run = dataclasses.replace(request.run, cache_namespace=given.get(_CACHE_MOUNTS, ""))
    if given.get(_HOST_NAME):
        run = dataclasses.replace(run, host_name=_host_name(given[_HOST_NAME]))
    cache_to = list(request.cache_to)
    is_inline = any(isinstance(each.where, Inline) for each in cache_to)
    if _switch(given, _INLINE_CACHE) and not is_inline:
        cache_to.append(CachePlace(Inline()))
    epoch = given.get(_EPOCH) or os.environ.get(_EPOCH, "")
    return replace(
        request,
        run=run,
        cache_to=cache_to,
        always_index=_switch(given, _INDEX),
        source_date_epoch=read_epoch(epoch),
    )


def splitting(wanted: "Wanted", request: "BuildRequest") -> "Wanted":
    """With a directory for each platform, also if it is one, where always_index asks for that."""
    from msgspec.structs import replace

    if not request.always_index:
        return wanted
    outputs = [replace(each, split=True) if each.split is None else each for each in wanted.outputs]
    return replace(wanted, outputs=outputs)


def read_epoch(text: str) -> int | None:
    """SOURCE_DATE_EPOCH, in seconds; None if it is empty. Raises InvalidValueError.

    https://reproducible-builds.org/specs/source-date-epoch/
    """
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise InvalidValueError(
            f"SOURCE_DATE_EPOCH cannot be {text[:40]!r}",
            why="it is a number of seconds since 1970",
            next_command="export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    return int(text)


def _switch(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "")
    if text not in _BOOLEANS:
        raise _wrong(name, text, "it is true or false", f"--build-arg {name}=1")
    return _BOOLEANS[text]


def _host_name(text: str) -> str:
    if not _A_HOST_NAME.fullmatch(text):
        why = "a host name has letters, digits, `.` and `-`, 63 at most"
        raise _wrong(_HOST_NAME, text, why, f"--build-arg {_HOST_NAME}=builder")
    return text


def _wrong(name: str, text: str, why: str, example: str) -> InvalidValueError:
    return InvalidValueError(
        f"--build-arg {name} cannot be {text[:40]!r}",
        why=why,
        next_command=f"for example {example}",
    )
