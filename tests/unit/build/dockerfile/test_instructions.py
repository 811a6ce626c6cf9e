import pytest

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.heredoc import Heredoc
from amphora.build.dockerfile.parser import parse
from amphora.core.errors import DockerfileError

SECOND = 10**9


def read(text):
    """The only instruction, as (class, the fields that are not their defaults)."""
    (instruction,) = parse(f"FROM a\n{text}").stages[0].instructions
    return instruction


def fields(instruction):
    names = set(instruction.__struct_fields__) - {"source", "legacy"}
    return {name: getattr(instruction, name) for name in names}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        # ARG
        ("ARG A", ins.Arg, {"variables": (ins.ArgVariable("A"),)}),
        ("ARG A=", ins.Arg, {"variables": (ins.ArgVariable("A", ""),)}),
        ("arg A=b=c", ins.Arg, {"variables": (ins.ArgVariable("A", "b=c"),)}),
        ("ARG A B='x y'", ins.Arg,
         {"variables": (ins.ArgVariable("A"), ins.ArgVariable("B", "'x y'"))}),
        # ENV and LABEL
        ("ENV A=b", ins.Env, {"pairs": (("A", "b"),)}),
        ("ENV A=b C='d e' F=\"g\"", ins.Env, {"pairs": (("A", "b"), ("C", "'d e'"), ("F", '"g"'))}),
        ("ENV A=", ins.Env, {"pairs": (("A", ""),)}),
        ("ENV A b c", ins.Env, {"pairs": (("A", "b c"),)}),
        ("ENV A  b=c", ins.Env, {"pairs": (("A", "b=c"),)}),
        ("ENV A=b\\ c", ins.Env, {"pairs": (("A", "b\\ c"),)}),
        ("ENV A=b \\\n # comment\n C=d", ins.Env, {"pairs": (("A", "b"), ("C", "d"))}),
        ("LABEL a.b=c \"d e\"=f", ins.Label, {"pairs": (("a.b", "c"), ('"d e"', "f"))}),
        ("LABEL a b", ins.Label, {"pairs": (("a", "b"),)}),
        # RUN
        ("RUN echo  a", ins.Run, {"command": "echo  a"}),
        ('RUN ["echo", "a b"]', ins.Run, {"command": ("echo", "a b")}),
        ("RUN ['echo']", ins.Run, {"command": "['echo']"}),
        ('RUN ["echo"] && x', ins.Run, {"command": '["echo"] && x'}),
        ("RUN --mount=type=cache,target=/x --mount=type=tmpfs,target=/y a", ins.Run,
         {"command": "a", "mounts": ("type=cache,target=/x", "type=tmpfs,target=/y")}),
        ("RUN --network=none --security=insecure a", ins.Run,
         {"command": "a", "network": "none", "security": "insecure"}),
        ("RUN --device=vendor.com/x a", ins.Run, {"command": "a", "devices": ("vendor.com/x",)}),
        ("RUN <<E\nx\nE", ins.Run, {"command": "<<E", "heredocs": (Heredoc("E", "x\n"),)}),
        # COPY and ADD
        ("COPY a b", ins.Copy, {"sources": ("a",), "destination": "b"}),
        ("COPY a b c/", ins.Copy, {"sources": ("a", "b"), "destination": "c/"}),
        ('COPY ["a b", "c d/"]', ins.Copy, {"sources": ("a b",), "destination": "c d/"}),
        ("COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=*.o --exclude=b a /",
         ins.Copy,
         {"sources": ("a",), "destination": "/", "from_": "x", "chown": "1:2", "chmod": "755",
          "link": True, "parents": True, "exclude": ("*.o", "b")}),
        ("COPY --link=false a /", ins.Copy, {"sources": ("a",), "destination": "/"}),
        ("COPY --link=TRUE a /", ins.Copy, {"sources": ("a",), "destination": "/", "link": True}),
        ("COPY <<E /x\na\nE", ins.Copy,
         {"sources": (), "destination": "/x", "files": (Heredoc("E", "a\n"),)}),
        ("COPY x <<'E' <<-F /x/\na\nE\n\tb\n\tF", ins.Copy,
         {"sources": ("x",), "destination": "/x/",
          "files": (Heredoc("E", "a\n", expand=False), Heredoc("F", "\tb\n", chomp=True))}),
        ("COPY <<E <<E /x/\na\nE\nb\nE", ins.Copy,
         {"sources": (), "destination": "/x/",
          "files": (Heredoc("E", "a\n"), Heredoc("E", "b\n"))}),
        ('COPY ["<<E", "/x"]', ins.Copy, {"sources": ("<<E",), "destination": "/x"}),
        ("ADD https://example.com/a /b", ins.Add,
         {"sources": ("https://example.com/a",), "destination": "/b"}),
        ("ADD --keep-git-dir --checksum=sha256:1 --unpack=false --chown=a --chmod=1 a b", ins.Add,
         {"sources": ("a",), "destination": "b", "keep_git_dir": True, "checksum": "sha256:1",
          "unpack": False, "chown": "a", "chmod": "1"}),
        ("ADD --unpack a b", ins.Add, {"sources": ("a",), "destination": "b", "unpack": True}),
        # one value
        ("WORKDIR /a b", ins.Workdir, {"path": "/a b"}),
        ("USER a:b", ins.User, {"user": "a:b"}),
        ("STOPSIGNAL SIGKILL", ins.StopSignal, {"signal": "SIGKILL"}),
        ("STOPSIGNAL $S", ins.StopSignal, {"signal": "$S"}),
        ("MAINTAINER A B <c@d>", ins.Maintainer, {"name": "A B <c@d>"}),
        # lists
        ("EXPOSE 80", ins.Expose, {"ports": ("80",)}),
        ("EXPOSE 80 443/tcp $P", ins.Expose, {"ports": ("$P", "443/tcp", "80")}),
        ("VOLUME /a /b", ins.Volume, {"paths": ("/a", "/b")}),
        ('VOLUME ["/a b"]', ins.Volume, {"paths": ("/a b",)}),
        # commands
        ("CMD a b", ins.Cmd, {"command": "a b"}),
        ("CMD", ins.Cmd, {"command": ""}),
        ("CMD []", ins.Cmd, {"command": ()}),
        ('CMD ["a", "$B"]', ins.Cmd, {"command": ("a", "$B")}),
        ("ENTRYPOINT a", ins.Entrypoint, {"command": "a"}),
        ('ENTRYPOINT ["a"]', ins.Entrypoint, {"command": ("a",)}),
        ("ENTRYPOINT []", ins.Entrypoint, {"command": ()}),
        ('SHELL ["/bin/bash", "-c"]', ins.Shell, {"shell": ("/bin/bash", "-c")}),
    ],
)  # fmt: skip
def test_reading(text, kind, expected):
    instruction = read(text)
    assert type(instruction) is kind
    given = fields(instruction)
    assert {name: given[name] for name in expected} == expected
    others = {value for name, value in given.items() if name not in expected}
    assert others <= {"", (), False, None}


@pytest.mark.parametrize(
    ("text", "test", "numbers"),
    [
        ("NONE", ("NONE",), {}),
        ("none", ("NONE",), {}),
        ("CMD a b", ("CMD-SHELL", "a b"), {}),
        ("cmd  a", ("CMD-SHELL", "a"), {}),
        ('CMD ["a", "b"]', ("CMD", "a", "b"), {}),
        ("--interval=30s --timeout=1m --retries=3 CMD a", ("CMD-SHELL", "a"),
         {"interval": 30 * SECOND, "timeout": 60 * SECOND, "retries": 3}),
        ("--start-period=5s --start-interval=1s CMD a", ("CMD-SHELL", "a"),
         {"start_period": 5 * SECOND, "start_interval": SECOND}),
        ("--interval=0 --retries=0 CMD a", ("CMD-SHELL", "a"), {}),
    ],
)  # fmt: skip
def test_health_checks(text, test, numbers):
    check = read(f"HEALTHCHECK {text}").check
    assert check.test == test
    names = ("interval", "timeout", "start_period", "start_interval", "retries")
    assert {name: getattr(check, name) for name in names if getattr(check, name)} == numbers


@pytest.mark.parametrize(
    ("text", "expression", "trigger"),
    [
        ("ONBUILD RUN a", "RUN a", ins.Run),
        ("onbuild  run  a", "run  a", ins.Run),
        ("ONBUILD COPY --from=x a b", "COPY --from=x a b", ins.Copy),
        ("ONBUILD RUN a \\\n  b", "RUN a   b", ins.Run),
        ("ONBUILD RUN <<E\nx\nE\n", "RUN <<E\nx\nE", ins.Run),
    ],
)
def test_triggers(text, expression, trigger):
    instruction = read(text)
    assert instruction.expression == expression
    assert type(instruction.trigger) is trigger


@pytest.mark.parametrize(
    ("text", "script", "file"),
    [
        ("RUN a", "a", None),
        ("RUN <<E\na\nE", "a\n", None),
        ("RUN <<-E\n\ta\nE", "a\n", None),
        ("RUN <<E\n#!/bin/sh\nE", "#!/bin/sh\n", "E"),
        ("RUN cat <<E\n#!x\nE", "cat <<E\n#!x\nE", None),
        ("RUN <<A cat <<B\n1\nA\n2\nB", "<<A cat <<B\n1\nA\n2\nB", None),
        ("RUN <<'E' | cat\na\nE", "<<'E' | cat\na\nE", None),
    ],
)
def test_what_the_shell_is_given(text, script, file):
    run = read(text)
    assert run.is_shell
    assert run.shell_text == script
    assert (run.inline_file.name if run.inline_file else None) == file


def test_the_exec_form_has_no_shell_text():
    run = read('RUN ["a"]')
    assert not run.is_shell
    assert run.inline_file is None
    with pytest.raises(TypeError):
        assert run.shell_text


def test_instructions_are_equal_if_they_mean_the_same():
    assert read("RUN a") == read("\n\nrun   a")
    assert read("RUN a") != read("RUN b")
    assert read("ENV A b") == read("ENV A=b")


@pytest.mark.parametrize(
    ("text", "what", "marked"),
    [
        ("FORM a", "there is no instruction 'FORM'", "FORM"),
        ("&& b", "there is no instruction '&&'", "&&"),
        ("RUN", "RUN requires a command", "RUN"),
        ("RUN []", "RUN requires a command", "RUN"),
        ("RUN --mount a", "--mount has no value", "--mount"),
        ("RUN --mont=x a", "RUN has no flag --mont", "--mont=x"),
        ("RUN --network=nope a", "--network cannot be 'nope'", "--network=nope"),
        ("RUN --network=none --network=none a", "--network is given twice", "--network=none"),
        ("RUN --security=x a", "--security cannot be 'x'", "--security=x"),
        ('RUN ["a", 1]', "the JSON array holds something else than strings", '["a", 1]'),
        ("CMD [1]", "the JSON array holds something else than strings", "[1]"),
        ("CMD --x a", "CMD has no flag --x", "--x"),
        ("COPY", "COPY requires at least two arguments", "COPY"),
        ("COPY a", "COPY requires at least two arguments", "a"),
        ('COPY ["a"]', "COPY requires at least two arguments", '["a"]'),
        ("COPY --form=x a b", "COPY has no flag --form", "--form=x"),
        ("COPY --from= a b", "--from names no stage", "--from="),
        ("COPY --from=$X a b", "--from does not take variables", "--from=$X"),
        ("COPY --link=maybe a b", "--link cannot be 'maybe'", "--link=maybe"),
        ("COPY --link= a b", "--link cannot be ''", "--link="),
        ("COPY --chown a b", "--chown has no value", "--chown"),
        ("COPY a <<E\nE", "COPY cannot have a here-document as its destination", "a <<E"),
        ("ADD a", "ADD requires at least two arguments", "a"),
        ("ADD --from=x a b", "ADD has no flag --from", "--from=x"),
        ("ARG", "ARG requires at least one argument", "ARG"),
        ("ARG =b", "ARG names cannot be blank", "=b"),
        ("ENV", "ENV requires at least one argument", "ENV"),
        ("ENV A", "ENV must have two arguments", "A"),
        ("ENV =b", "ENV names cannot be blank", "=b"),
        ("ENV A=b C", "'C' has no `=`", "C"),
        ("ENV A=b =c", "ENV names cannot be blank", "=c"),
        ("LABEL", "LABEL requires at least one argument", "LABEL"),
        ("LABEL a=b c", "'c' has no `=`", "c"),
        ("WORKDIR", "WORKDIR requires exactly one argument", "WORKDIR"),
        ("USER", "USER requires exactly one argument", "USER"),
        ("MAINTAINER", "MAINTAINER requires exactly one argument", "MAINTAINER"),
        ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument", "STOPSIGNAL"),
        ("STOPSIGNAL SIGNOPE", "STOPSIGNAL is wrong", "SIGNOPE"),
        ("EXPOSE", "EXPOSE requires at least one argument", "EXPOSE"),
        ("EXPOSE 80 http", "EXPOSE is wrong", "http"),
        ("EXPOSE 80/http", "EXPOSE is wrong", "80/http"),
        ("VOLUME", "VOLUME requires at least one argument", "VOLUME"),
        ("VOLUME []", "VOLUME requires at least one argument", "VOLUME"),
        ('VOLUME ["/a", " "]', "VOLUME cannot be an empty path", '["/a", " "]'),
        ("SHELL", "SHELL requires its arguments as a JSON array", "SHELL"),
        ("SHELL []", "SHELL requires its arguments as a JSON array", "[]"),
        ("SHELL /bin/sh -c", "SHELL requires its arguments as a JSON array", "/bin/sh -c"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument", "HEALTHCHECK"),
        ("HEALTHCHECK curl x", "'curl' is not a type of HEALTHCHECK", "curl"),
        ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments", "a"),
        ("HEALTHCHECK CMD", "HEALTHCHECK CMD requires a command", "HEALTHCHECK"),
        ("HEALTHCHECK CMD []", "HEALTHCHECK CMD requires a command", "HEALTHCHECK"),
        ("HEALTHCHECK --interval=5 CMD a", "--interval is wrong", "--interval=5"),
        ("HEALTHCHECK --timeout=1us CMD a", "--timeout is wrong", "--timeout=1us"),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be '-1'", "--retries=-1"),
        ("HEALTHCHECK --retry=1 CMD a", "HEALTHCHECK has no flag --retry", "--retry=1"),
        ("ONBUILD", "ONBUILD requires at least one argument", "ONBUILD"),
        ("ONBUILD ONBUILD RUN a", "ONBUILD is not allowed as an ONBUILD trigger", "ONBUILD"),
        ("ONBUILD FROM a", "FROM is not allowed as an ONBUILD trigger", "FROM"),
        ("ONBUILD maintainer a", "MAINTAINER is not allowed as an ONBUILD trigger", "maintainer"),
        ("ONBUILD NOPE a", "there is no instruction 'NOPE'", "NOPE"),
        ("ONBUILD COPY a", "COPY requires at least two arguments", "a"),
        ("FROM", "FROM requires either one or three arguments", "FROM"),
        ("FROM a b", "FROM requires either one or three arguments", "a b"),
        ("FROM a is b", "FROM requires either one or three arguments", "a is b"),
        ("FROM a AS b c", "FROM requires either one or three arguments", "a AS b c"),
        ("FROM a AS 1b", "'1b' cannot be the name of a stage", "1b"),
        ("FROM a AS b/c", "'b/c' cannot be the name of a stage", "b/c"),
        ("FROM a AS $b", "'$b' cannot be the name of a stage", "$b"),
        ("FROM --platform=linux/nope a", "--platform is wrong", "--platform=linux/nope"),
        ("FROM --platfrom=x a", "FROM has no flag --platfrom", "--platfrom=x"),
    ],
)
def test_errors_name_the_mistake_and_mark_the_word(text, what, marked):
    with pytest.raises(DockerfileError) as caught:
        parse(f"FROM a\n{text}")
    error = caught.value
    assert error.what == what
    assert error.why
    assert error.next_command
    place, line, carets = error.excerpt.split("\n")
    assert place == "Dockerfile:2"
    start, end = carets.index("^"), carets.rindex("^") + 1
    assert line[start:end] == marked


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("COPPY a b", "did you mean COPY?"),
        ("run_ a", "did you mean RUN?"),
        ("ENTRYPONT a", "did you mean ENTRYPOINT?"),
        ("apt-get install x", "correct it, or end the line before in a \\"),
        ("COPY --form=a b c", "did you mean --from?"),
        ("COPY --chmodd=a b c", "did you mean --chmod?"),
        ("RUN --MOUNT=a b", "did you mean --mount?"),
        ("COPY --zzz=a b c", "correct the flag, or remove it"),
    ],
)
def test_what_was_probably_meant(text, suggestion):
    with pytest.raises(DockerfileError) as caught:
        parse(f"FROM a\n{text}")
    assert caught.value.next_command == suggestion
