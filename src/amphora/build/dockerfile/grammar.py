"""One reader for each instruction: a cut line in, a checked value out.

https://docs.docker.com/reference/dockerfile/#overview lists them.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from amphora.build.dockerfile import arguments, transfer, values
from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.arguments import missing, one, span_of, wrong
from amphora.build.dockerfile.flags import Flags, read_flags
from amphora.build.dockerfile.healthcheck import read_healthcheck
from amphora.build.dockerfile.lines import Line
from amphora.build.dockerfile.mounts import read_mount
from amphora.build.dockerfile.words import Word, split_blanks, split_command, split_quoted
from amphora.core.platform import Platform

PLATFORM_FIX = "write for example --platform=linux/arm64 or --platform=$BUILDPLATFORM"

EPOCH = "SOURCE_DATE_EPOCH"

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_NEEDS_EVALUATION = re.compile(r"[$'\"\\`]")
_NOT_TRIGGERS = frozenset({"ONBUILD", "FROM", "MAINTAINER"})
_CHOICES = {"network": ("default", "none", "host"), "security": ("sandbox", "insecure")}


def read_instruction(line: Line) -> ins.Instruction:
    """The value of one instruction; raises DockerfileError."""
    keyword = line.command.keyword
    reader = _READERS.get(keyword.text.upper())
    if reader is None:
        close = get_close_matches(keyword.text.upper(), _READERS, n=1)
        raise wrong(
            line,
            f"there is no instruction {keyword.text[:40]!r}",
            why="a line begins with an instruction, or continues the one before",
            fix=f"did you mean {close[0]}?"
            if close
            else "correct it, or end the line before in a \\",
        )
    return reader(line, read_flags(line))


def _from(line: Line, flags: Flags) -> ins.From:
    words = split_blanks(line.command.rest)
    if len(words) not in {1, 3} or (len(words) == 3 and words[1].text.lower() != "as"):
        raise wrong(
            line,
            "FROM requires either one or three arguments",
            why="it names an image and, behind AS, the stage",
            fix="write `FROM IMAGE` or `FROM IMAGE AS NAME`",
            word=span_of(words) if words else None,
        )
    name = words[2].text.lower() if len(words) == 3 else ""
    if name and not _STAGE_NAME.fullmatch(name):
        raise wrong(
            line,
            f"{words[2].text[:40]!r} cannot be the name of a stage",
            why="a name begins with a letter; letters, digits, `-`, `_` and `.` follow",
            fix="choose another name",
            word=words[2],
        )
    platform = flags.flag("platform")
    if platform is not None and not _NEEDS_EVALUATION.search(platform.value or ""):
        with line.source.explain("--platform is wrong", platform.word.span, PLATFORM_FIX):
            Platform.parse(platform.value or "")
    return ins.From(
        source=line.source, image=words[0].text, platform=flags.text("platform"), name=name
    )


def _arg(line: Line, _flags: Flags) -> ins.Arg:
    words = split_quoted(line.command.rest, line.escape)
    if not words:
        raise missing(line, "requires at least one argument", "ARG VERSION=1.0")
    return ins.Arg(source=line.source, variables=tuple(_variable(line, word) for word in words))


def _variable(line: Line, word: Word) -> ins.ArgVariable:
    name, equals, default = word.text.partition("=")
    if not name:
        raise arguments.blank_name(line, word)
    if name == EPOCH and re.search(r"^[^$0-9]", default):
        raise wrong(
            line,
            f"{EPOCH} cannot be {default[:40]!r}",
            why="it is a number of seconds here; the time of the context or of a stage is unknown",
            fix=f"give it as in --build-arg {EPOCH}=$(git log -1 --format=%ct)",
            word=word,
        )
    return ins.ArgVariable(name, default if equals else None)


def _env(line: Line, _flags: Flags) -> ins.Env:
    pairs, legacy = arguments.pairs(line, "ENV PATH=/app:$PATH")
    return ins.Env(source=line.source, pairs=pairs, legacy=legacy)


def _label(line: Line, _flags: Flags) -> ins.Label:
    pairs, legacy = arguments.pairs(line, "LABEL version=1.0")
    return ins.Label(source=line.source, pairs=pairs, legacy=legacy)


def _run(line: Line, flags: Flags) -> ins.Run:
    command = arguments.command_line(line, line.command.rest)
    if not command:
        raise missing(line, "requires a command", "RUN make install")
    for name, choices in _CHOICES.items():
        _check_choice(line, flags, name, choices)
    for text in flags.texts("mount"):
        # Variables are replaced when the stage is built; `from` has none.
        if not _NEEDS_EVALUATION.search(text) or "from=$" in text.replace(" ", ""):
            with line.source.explain("--mount is wrong", line.source.span(text)):
                read_mount(text)
    return ins.Run(
        source=line.source,
        command=command,
        mounts=flags.texts("mount"),
        network=flags.text("network"),
        security=flags.text("security"),
        devices=flags.texts("device"),
        heredocs=line.heredocs,
    )


def _check_choice(line: Line, flags: Flags, name: str, choices: tuple[str, ...]) -> None:
    flag = flags.flag(name)
    if flag is not None and flag.value not in choices:
        raise wrong(
            line,
            f"--{name} cannot be {(flag.value or '')[:40]!r}",
            why=f"it is one of {', '.join(choices)}",
            fix=f"write --{name}={choices[0]}",
            word=flag.word,
        )


def _cmd(line: Line, _flags: Flags) -> ins.Cmd:
    return ins.Cmd(source=line.source, command=arguments.command_line(line, line.command.rest))


def _entrypoint(line: Line, _flags: Flags) -> ins.Entrypoint:
    return ins.Entrypoint(
        source=line.source, command=arguments.command_line(line, line.command.rest)
    )


def _shell(line: Line, _flags: Flags) -> ins.Shell:
    words = arguments.exec_form(line, line.command.rest)
    if not words:
        raise wrong(
            line,
            "SHELL requires its arguments as a JSON array",
            why="the array is put in front of the text of a shell-form command",
            fix='write for example `SHELL ["/bin/bash", "-c"]`',
            word=line.command.rest if line.command.rest.text else None,
        )
    return ins.Shell(source=line.source, shell=words)


def _workdir(line: Line, _flags: Flags) -> ins.Workdir:
    return ins.Workdir(source=line.source, path=one(line, "WORKDIR /app"))


def _user(line: Line, _flags: Flags) -> ins.User:
    return ins.User(source=line.source, user=one(line, "USER nobody"))


def _maintainer(line: Line, _flags: Flags) -> ins.Maintainer:
    return ins.Maintainer(source=line.source, name=one(line, "LABEL maintainer=NAME"))


def _stop_signal(line: Line, _flags: Flags) -> ins.StopSignal:
    name = one(line, "STOPSIGNAL SIGTERM")
    if not _NEEDS_EVALUATION.search(name):
        with line.source.explain("STOPSIGNAL is wrong", line.command.rest.span):
            values.check_signal(name)
    return ins.StopSignal(source=line.source, signal=name)


def _expose(line: Line, _flags: Flags) -> ins.Expose:
    words = split_blanks(line.command.rest)
    if not words:
        raise missing(line, "requires at least one argument", "EXPOSE 8080/tcp")
    for word in words:
        if not _NEEDS_EVALUATION.search(word.text):
            with line.source.explain("EXPOSE is wrong", word.span):
                values.read_ports(word.text)
    return ins.Expose(source=line.source, ports=tuple(sorted(word.text for word in words)))


def _volume(line: Line, _flags: Flags) -> ins.Volume:
    paths = tuple(path.strip() for path in arguments.words_or_json(line))
    if not paths:
        raise missing(line, "requires at least one argument", "VOLUME /data")
    if not all(paths):
        raise wrong(
            line,
            "VOLUME cannot be an empty path",
            why="each argument is a directory of the image",
            fix="remove the empty one",
            word=line.command.rest,
        )
    return ins.Volume(source=line.source, paths=paths)


def _on_build(line: Line, _flags: Flags) -> ins.OnBuild:
    rest = line.command.rest
    command = split_command(rest)
    keyword = command.keyword.text.upper()
    if not keyword:
        raise missing(line, "requires at least one argument", "ONBUILD COPY . /app")
    if keyword in _NOT_TRIGGERS:
        raise wrong(
            line,
            f"{keyword} is not allowed as an ONBUILD trigger",
            why="a trigger is one instruction inside the stage that uses the image",
            fix="remove it",
            word=command.keyword,
        )
    trigger = read_instruction(Line(line.source, command, line.heredocs, line.escape))
    documents = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in line.heredocs)
    expression = line.source.text[rest.start :].strip() + documents
    return ins.OnBuild(source=line.source, expression=expression, trigger=trigger)


_READERS: Mapping[str, Callable[[Line, Flags], ins.Instruction]] = {
    "ADD": transfer.read_add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": transfer.read_copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": read_healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
