"""The flags of an instruction: which exist, what they take, and what was given."""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum

from amphora.build.dockerfile.lines import Line
from amphora.build.dockerfile.words import Flag
from amphora.core.errors import DockerfileError


class Takes(Enum):
    """What stands behind a flag's `=`."""

    TEXT = "a value"
    TEXTS = "a value, and can be repeated"
    SWITCH = "true or false, or nothing"


#: Flags by keyword. Those that BuildKit has in its labs channel only are not among them,
#: except --device and --parents, which Dockerfiles already use.
FLAGS: Mapping[str, Mapping[str, Takes]] = {
    "FROM": {"platform": Takes.TEXT},
    "RUN": {
        "mount": Takes.TEXTS,
        "network": Takes.TEXT,
        "security": Takes.TEXT,
        "device": Takes.TEXTS,
    },
    "COPY": {
        "from": Takes.TEXT,
        "chown": Takes.TEXT,
        "chmod": Takes.TEXT,
        "link": Takes.SWITCH,
        "parents": Takes.SWITCH,
        "exclude": Takes.TEXTS,
    },
    "ADD": {
        "chown": Takes.TEXT,
        "chmod": Takes.TEXT,
        "link": Takes.SWITCH,
        "keep-git-dir": Takes.SWITCH,
        "checksum": Takes.TEXT,
        "unpack": Takes.SWITCH,
        "exclude": Takes.TEXTS,
    },
    "HEALTHCHECK": {
        "interval": Takes.TEXT,
        "timeout": Takes.TEXT,
        "start-period": Takes.TEXT,
        "start-interval": Takes.TEXT,
        "retries": Takes.TEXT,
    },
}


class Flags:
    """The checked flags of one instruction."""

    def __init__(self, given: Mapping[str, list[Flag]]) -> None:
        self._given = given

    def text(self, name: str) -> str:
        """The value, or an empty text if the flag was not given."""
        flag = self.flag(name)
        return flag.value or "" if flag else ""

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(flag.value or "" for flag in self._given.get(name, ()))

    def switch(self, name: str) -> bool | None:
        """True, false, or None if the flag was not given."""
        flag = self.flag(name)
        return None if flag is None else (flag.value or "true").lower() == "true"

    def flag(self, name: str) -> Flag | None:
        return next(iter(self._given.get(name, ())), None)


def read_flags(line: Line) -> Flags:
    """Check the flags of an instruction; raises DockerfileError pointing at the wrong one."""
    known = FLAGS.get(line.command.keyword.text.upper(), {})
    given: dict[str, list[Flag]] = {}
    for flag in line.command.flags:
        takes = known.get(flag.name)
        if takes is None:
            raise _unknown(line, flag, known)
        if flag.name in given and takes is not Takes.TEXTS:
            raise line.source.error(
                f"--{flag.name} is given twice",
                why="only one of the two could count",
                fix="remove one of them",
                span=flag.word.span,
            )
        _check_value(line, flag, takes)
        given.setdefault(flag.name, []).append(flag)
    return Flags(given)


def _check_value(line: Line, flag: Flag, takes: Takes) -> None:
    switch = takes is Takes.SWITCH
    if flag.value is None and not switch:
        raise line.source.error(
            f"--{flag.name} has no value",
            why=f"it takes {takes.value}, behind a `=`",
            fix=f"write --{flag.name}=VALUE",
            span=flag.word.span,
        )
    if switch and flag.value is not None and flag.value.lower() not in {"true", "false"}:
        raise line.source.error(
            f"--{flag.name} cannot be {flag.value[:40]!r}",
            why=f"it takes {takes.value}",
            fix=f"write --{flag.name} or --{flag.name}=false",
            span=flag.word.span,
        )


def _unknown(line: Line, flag: Flag, known: Mapping[str, Takes]) -> DockerfileError:
    keyword = line.command.keyword.text.upper()
    close = get_close_matches(flag.name.lower(), known, n=1)
    names = ", ".join(f"--{name}" for name in known)
    return line.source.error(
        f"{keyword} has no flag --{flag.name[:40]}",
        why=f"its flags are {names}" if known else f"{keyword} has no flags",
        fix=f"did you mean --{close[0]}?" if close else "correct the flag, or remove it",
        span=flag.word.span,
    )
