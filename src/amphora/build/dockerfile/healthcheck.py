"""HEALTHCHECK: NONE, or CMD and how often to run it.

https://docs.docker.com/reference/dockerfile/#healthcheck
"""

import re

from amphora.build.dockerfile import values
from amphora.build.dockerfile.arguments import command_line, missing, wrong
from amphora.build.dockerfile.flags import Flags
from amphora.build.dockerfile.instructions import CommandLine, Healthcheck
from amphora.build.dockerfile.lines import Line
from amphora.build.dockerfile.words import Word, cut
from amphora.oci.config import Healthcheck as HealthcheckConfig


def read_healthcheck(line: Line, flags: Flags) -> Healthcheck:
    """Raises DockerfileError."""
    rest = line.command.rest
    if not rest.text:
        raise missing(line, "requires at least one argument", "HEALTHCHECK CMD curl -f localhost")
    kind, command = cut(rest) or (rest, Word("", rest.span[1]))
    if kind.text.upper() not in {"NONE", "CMD"}:
        raise wrong(
            line,
            f"{kind.text[:40]!r} is not a type of HEALTHCHECK",
            why="it is CMD, which runs a command, or NONE, which forgets the base image's",
            fix="write HEALTHCHECK CMD in front of the command",
            word=kind,
        )
    if kind.text.upper() == "NONE":
        if command.text:
            raise wrong(
                line,
                "HEALTHCHECK NONE takes no arguments",
                why="it only forgets the health check of the base image",
                fix="remove what follows NONE",
                word=command,
            )
        return Healthcheck(source=line.source, check=HealthcheckConfig(test=("NONE",)))
    test = command_line(line, command)
    if not test:
        raise missing(line, "CMD requires a command", "HEALTHCHECK CMD curl -f localhost")
    return Healthcheck(source=line.source, check=_check(line, flags, test))


def _check(line: Line, flags: Flags, test: CommandLine) -> HealthcheckConfig:
    return HealthcheckConfig(
        test=("CMD-SHELL", test) if isinstance(test, str) else ("CMD", *test),
        interval=_duration(line, flags, "interval"),
        timeout=_duration(line, flags, "timeout"),
        start_period=_duration(line, flags, "start-period"),
        start_interval=_duration(line, flags, "start-interval"),
        retries=_retries(line, flags),
    )


def _duration(line: Line, flags: Flags, name: str) -> int:
    flag = flags.flag(name)
    if flag is None or not flag.value:
        return 0
    with line.source.explain(f"--{name} is wrong", flag.word.span):
        return values.read_duration(flag.value)


def _retries(line: Line, flags: Flags) -> int:
    flag = flags.flag("retries")
    if flag is None or not flag.value:
        return 0
    if not re.fullmatch(r"\+?[0-9]{1,9}", flag.value):
        raise wrong(
            line,
            f"--retries cannot be {flag.value[:40]!r}",
            why="it is how many failures in a row make a container unhealthy",
            fix="write for example --retries=3",
            word=flag.word,
        )
    return int(flag.value)
