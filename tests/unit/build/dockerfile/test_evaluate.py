import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.parser import parse
from amphora.build.dockerfile.scope import expand_from, global_scope, unused_build_args
from amphora.core.errors import DockerfileError
from amphora.core.platform import Platform

ARM = Platform("linux", "arm", "v7")
AMD64 = Platform("linux", "amd64")


def scope_of(text, **build_args):
    dockerfile = parse(text)
    return dockerfile, global_scope(dockerfile, build_args, target=ARM, build=AMD64)


def evaluate(text, base_env=(), **build_args):
    """The expanded instructions of the last stage, and its scope behind them."""
    dockerfile, scope = scope_of(text, **build_args)
    stage = StageScope(scope, base_env)
    return [stage.apply(item) for item in dockerfile.stages[-1].instructions], stage


@pytest.mark.parametrize(
    ("text", "build_args", "image", "platform"),
    [
        ("FROM a", {}, "a", ""),
        ("ARG A=b\nFROM $A", {}, "b", ""),
        ("ARG A=b\nFROM $A", {"A": "c"}, "c", ""),
        ("ARG A\nFROM x${A}", {"A": "c"}, "xc", ""),
        ("ARG A\nFROM x${A}", {}, "x", ""),
        ("FROM x$A", {"A": "undeclared"}, "x", ""),
        ("ARG A=1\nARG B=$A.2\nFROM x:$B", {}, "x:1.2", ""),
        ("ARG A=1 B=${A}2\nFROM x:$B", {}, "x:12", ""),
        ("ARG A=1\nARG A=2\nFROM x:$A", {}, "x:2", ""),
        ("ARG A='b c'\nFROM ${A%?c}", {}, "b", ""),
        ("ARG A\nFROM ${A:-default}", {}, "default", ""),
        ("FROM --platform=$BUILDPLATFORM a", {}, "a", "linux/amd64"),
        ("FROM --platform=$TARGETPLATFORM a", {}, "a", "linux/arm/v7"),
        ("FROM --platform=$TARGETPLATFORM a", {"TARGETPLATFORM": "s390x"}, "a", "linux/s390x"),
        ("FROM --platform=linux/aarch64 a", {}, "a", "linux/arm64"),
        ("FROM --platform=linux/$BUILDARCH a", {}, "a", "linux/amd64"),
        ("FROM a-$TARGETARCH$TARGETVARIANT", {}, "a-armv7", ""),
        ("FROM a:$TARGETSTAGE", {}, "a:default", ""),
        ("FROM a-$TARGETSTAGE AS b", {}, "a-b", ""),
        ("ARG P=$BUILDOS/arm64\nFROM --platform=$P a", {}, "a", "linux/arm64"),
        ("# escape=`\nARG A=b`$\nFROM $A", {}, "b$", ""),
    ],
)  # fmt: skip
def test_from(text, build_args, image, platform):
    dockerfile, scope = scope_of(text, **build_args)
    base = expand_from(dockerfile.stages[0], scope)
    assert (base.image, base.platform) == (image, platform)


@pytest.mark.parametrize(
    ("text", "what", "next_command", "marked"),
    [
        ("FROM $NOPE", "the name of the base image is blank",
         "declare it with a default, or --build-arg", "$NOPE"),
        ("ARG BASE=a\nFROM $BSAE", "the name of the base image is blank",
         "did you mean BASE?", "$BSAE"),
        ("FROM --platform=$TARGETPLATFROM a", "--platform is blank",
         "did you mean TARGETPLATFORM?", "$TARGETPLATFROM"),
        ("ARG P=linux/nope\nFROM --platform=$P a", "--platform is wrong",
         "write for example --platform=linux/arm64 or --platform=$BUILDPLATFORM", "$P"),
        ("FROM 'a", "\"'a\" cannot be expanded", None, "'a"),
        ("FROM ${A:?needed}", "'${A:?needed}' cannot be expanded", None, "${A:?needed}"),
    ],
)  # fmt: skip
def test_from_that_cannot_be(text, what, next_command, marked):
    dockerfile, scope = scope_of(text)
    with pytest.raises(DockerfileError) as caught:
        expand_from(dockerfile.stages[0], scope)
    assert caught.value.what == what
    assert next_command in {None, caught.value.next_command}
    _, line, carets = caught.value.excerpt.split("\n")
    assert line[carets.index("^") : carets.rindex("^") + 1] == marked


def test_a_global_default_that_cannot_be_expanded():
    with pytest.raises(DockerfileError) as caught:
        scope_of("ARG A=${B:?no}\nFROM a")
    assert caught.value.why == "B: no"
    assert caught.value.excerpt == "Dockerfile:1\n   1 | ARG A=${B:?no}\n     |       ^^^^^^^^"


@pytest.mark.parametrize(
    ("text", "base_env", "build_args", "environment"),
    [
        ("ENV A=b", {}, {}, {"A": "b"}),
        ("ENV A=b\nENV A=c", {}, {}, {"A": "c"}),
        ("ENV A=b C=$A", {}, {}, {"A": "b", "C": ""}),
        ("ENV A=1\nENV A=2 B=$A", {}, {}, {"A": "2", "B": "1"}),
        ("ENV P=/x:$P", {"P": "/bin"}, {}, {"P": "/x:/bin"}),
        ("ENV A='$B' C=\"$P\"", {"P": "/bin"}, {}, {"P": "/bin", "A": "$B", "C": "/bin"}),
        ("ENV A b  $P 'c'", {"P": "x"}, {}, {"P": "x", "A": "b  x c"}),
        ("ENV $P=1", {"P": "x"}, {}, {"P": "x", "x": "1"}),
        ("ARG A", {}, {}, {}),
        ("ARG A=", {}, {}, {"A": ""}),
        ("ARG A=b", {}, {}, {"A": "b"}),
        ("ARG A=b", {}, {"A": "c"}, {"A": "c"}),
        ("ARG A", {}, {"A": "c"}, {"A": "c"}),
        ("ARG A=b", {}, {"A": ""}, {"A": ""}),
        ("ARG A='b c'", {}, {}, {"A": "b c"}),
        ("ARG A=1 B=${A}2", {}, {}, {"A": "1", "B": "12"}),
        ("ARG A=$P", {"P": "x"}, {}, {"P": "x", "A": "x"}),
        ("ARG A=$P", {"P": "x"}, {"A": "$P"}, {"P": "x", "A": "$P"}),
        ("ARG A=1\nENV A=2", {}, {}, {"A": "2"}),
        ("ARG A=1\nENV A=${A}0", {}, {"A": "7"}, {"A": "70"}),
        ("ARG A\nENV B=${A:-x}", {}, {}, {"B": "x"}),
        ("ENV A=1\nARG A", {}, {}, {"A": "1"}),
        ("ENV A=1\nARG A=2", {}, {}, {"A": "2"}),
        ("ARG UNUSED", {"A": "b"}, {"A": "c"}, {"A": "b"}),
        ("ARG TARGETARCH", {}, {}, {"TARGETARCH": "arm"}),
        ("ARG TARGETARCH=x", {}, {}, {"TARGETARCH": "x"}),
        ("ARG TARGETARCH", {}, {"TARGETARCH": "y"}, {"TARGETARCH": "y"}),
        ("ARG BUILDVARIANT TARGETVARIANT", {}, {}, {"BUILDVARIANT": "", "TARGETVARIANT": "v7"}),
        ("ARG TARGETPLATFORM BUILDPLATFORM", {}, {},
         {"TARGETPLATFORM": "linux/arm/v7", "BUILDPLATFORM": "linux/amd64"}),
        ("ARG TARGETOS BUILDOS BUILDARCH TARGETSTAGE", {}, {},
         {"TARGETOS": "linux", "BUILDOS": "linux", "BUILDARCH": "amd64", "TARGETSTAGE": "default"}),
        ("ENV A=$TARGETARCH", {}, {}, {"A": ""}),
    ],
)  # fmt: skip
def test_what_a_run_sees(text, base_env, build_args, environment):
    assert evaluate(f"FROM a\n{text}", base_env, **build_args)[1].environment() == environment


@pytest.mark.parametrize(
    ("text", "build_args", "environment"),
    [
        ("ARG A=g\nFROM x\nRUN y", {}, {}),
        ("ARG A=g\nFROM x\nARG A", {}, {"A": "g"}),
        ("ARG A=g\nFROM x\nARG A=s", {}, {"A": "s"}),
        ("ARG A=g\nFROM x\nARG A=s", {"A": "b"}, {"A": "b"}),
        ("ARG A=g\nFROM x\nARG A\nFROM y", {}, {}),
        ("ARG A=g\nFROM x\nARG B=$A", {}, {"B": ""}),
    ],
)
def test_global_args_are_seen_behind_their_name_only(text, build_args, environment):
    assert evaluate(text, **build_args)[1].environment() == environment


def test_the_image_keeps_env_and_not_arg():
    stage = evaluate("FROM a\nARG A=1\nENV B=$A", ["PATH=/bin", "C"])[1]
    assert stage.image_environment == {"PATH": "/bin", "C": "", "B": "1"}
    assert stage.environment() == {"PATH": "/bin", "C": "", "A": "1", "B": "1"}


def test_the_args_of_a_run_for_its_history():
    stage = evaluate("FROM a\nARG A=1\nARG B\nARG C=3\nENV C=4\nARG A=2", HTTP_PROXY="p")[1]
    assert stage.build_args_used == {"A": "2", "B": "", "C": "4"}
    assert list(stage.build_args_used) == ["A", "B", "C"]


def test_a_stage_on_another_inherits_its_variables_and_changes_nothing_there():
    parent = evaluate("FROM a\nARG A=1\nENV B=2")[1]
    child = parent.child()
    child.apply(parse("FROM a\nENV C=$A$B").stages[0].instructions[0])
    assert child.environment() == {"A": "1", "B": "2", "C": "12"}
    assert child.build_args_used == {"A": "1"}
    assert parent.environment() == {"A": "1", "B": "2"}
    assert parent.image_environment == {"B": "2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WORKDIR /$V/x", {"path": "/v w/x"}),
        ("WORKDIR '$V'", {"path": "$V"}),
        ("USER $V", {"user": "v w"}),
        ("STOPSIGNAL $S", {"signal": "SIGINT"}),
        ("LABEL a=$V 'b'=\"$V x\" $V=c", {"pairs": (("a", "v w"), ("b", "v w x"), ("v w", "c"))}),
        ("VOLUME $V /x", {"paths": ("v w", "/x")}),
        ('VOLUME ["/$V"]', {"paths": ("/v w",)}),
        ("EXPOSE $P", {"ports": ("80/tcp", "81/tcp", "53/udp")}),
        ("EXPOSE 443 22", {"ports": ("22/tcp", "443/tcp")}),
        ("EXPOSE $UNSET", {"ports": ()}),
        ("COPY --chown=$U --chmod=$M --exclude=*.$U $V /$V/",
         {"sources": ("v w",), "destination": "/v w/", "chown": "me", "chmod": "755",
          "exclude": ("*.me",)}),
        ('COPY ["$V", "\\"/a\\""]', {"sources": ("v w",), "destination": "/a"}),
        ("ADD --checksum=$U $V /", {"sources": ("v w",), "checksum": "me"}),
        ("COPY a\\$V b", {"sources": ("a$V",)}),
        ("RUN echo $V", {"command": "echo $V"}),
        ('CMD ["$V"]', {"command": ("$V",)}),
        ("ENTRYPOINT $V", {"command": "$V"}),
        ('SHELL ["$V"]', {"shell": ("$V",)}),
        ("MAINTAINER $V", {"name": "$V"}),
        ("ONBUILD COPY $V /", {"expression": "COPY $V /"}),
        ("RUN --mount=target=$V x", {"mounts": ("target=$V",)}),
    ],
)  # fmt: skip
def test_which_instructions_expand(text, expected):
    environment = {"V": "v w", "U": "me", "M": "755", "S": "SIGINT", "P": "80-81 53/udp"}
    (expanded,), _ = evaluate(f"FROM a\n{text}", environment)
    assert {name: getattr(expanded, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("opening", "content"),
    [
        ("<<E", "v 'v' \"v\" $V\n"),
        ("<<-E", "v 'v' \"v\" $V\n"),
        ("<<'E'", "$V '$V' \"$V\" \\$V\n"),
        ('<<-"E"', "$V '$V' \"$V\" \\$V\n"),
    ],
)
def test_files_written_in_place_expand_unless_their_name_is_quoted(opening, content):
    text = f"FROM a\nCOPY {opening} /x\n$V '$V' \"$V\" \\$V\nE"
    (copy,), _ = evaluate(text, {"V": "v"})
    assert copy.files[0].content == content


def test_a_heredoc_escapes_with_a_backslash_whatever_the_directive_says():
    (copy,), _ = evaluate("# escape=`\nFROM a\nCOPY <<E /x\n\\$V `$V\nE", {"V": "v"})
    assert copy.files[0].content == "$V `v\n"


@pytest.mark.parametrize(
    ("text", "what", "marked"),
    [
        ("WORKDIR 'a", '"\'a" cannot be expanded', "'a"),
        ("COPY a ${B", "'${B' cannot be expanded", "${B"),
        ("ENV A=b \\\n  C=${D:?no}", "'${D:?no}' cannot be expanded", "${D:?no}"),
        ("STOPSIGNAL ${A:-NOPE}", "STOPSIGNAL is wrong", "${A:-NOPE}"),
        ("EXPOSE 80 ${A:-x}", "EXPOSE is wrong", "${A:-x}"),
        ("VOLUME /a $A", "VOLUME cannot be an empty path", "$A"),
        ("LABEL a=${b^}", "'${b^}' cannot be expanded", "${b^}"),
    ],
)
def test_errors_mark_the_word_that_cannot_be_expanded(text, what, marked):
    with pytest.raises(DockerfileError) as caught:
        evaluate(f"FROM a\n{text}")
    assert caught.value.what == what
    _, line, carets = caught.value.excerpt.split("\n")
    assert line[carets.index("^") : carets.rindex("^") + 1] == marked


def test_the_names_that_a_stage_looks_at():
    stage = evaluate("FROM a\nARG A=$B\nWORKDIR /$A/${C:-$D}\nRUN $E", {"C": "1"})[1]
    assert stage.names_read == {"A", "B", "C", "D"}
    assert stage.names_unset == {"B", "D"}


def test_build_args_that_nothing_asks_for():
    dockerfile = parse("ARG A\nFROM a\nARG B\nFROM b\nARG C=1")
    names = ["A", "B", "C", "D", "http_proxy", "NO_PROXY", "TARGETARCH", "SOURCE_DATE_EPOCH"]
    given_names = dict.fromkeys([*names, "BUILDKIT_INLINE_CACHE", "E"], "x")
    assert unused_build_args(dockerfile, given_names) == ["D", "E"]


def test_proxies_reach_run_in_both_cases_without_being_declared():
    scope = scope_of("FROM a", HTTP_PROXY="h", no_proxy="n", OTHER="o")[1]
    assert scope.proxy_environment == {
        "HTTP_PROXY": "h", "http_proxy": "h", "NO_PROXY": "n", "no_proxy": "n",
    }  # fmt: skip
    assert StageScope(scope, {}).environment() == {}


WORDS = st.text("aA$B{}:-'\"\\ /#%", max_size=12)


KEYWORDS = st.sampled_from(["ENV A=", "ARG B=", "WORKDIR ", "COPY x ", "EXPOSE ", "USER "])


@given(st.lists(st.tuples(KEYWORDS, WORDS)))
def test_any_stage_evaluates_or_raises_a_dockerfile_error(rows):
    text = "FROM a\n" + "\n".join(keyword + word for keyword, word in rows)
    try:
        expanded, stage = evaluate(text, {"A": "a b", "B": ""})
    except DockerfileError:
        return
    assert all(isinstance(item, ins.Instruction) for item in expanded)
    assert {"A", "B"} <= stage.environment().keys()
