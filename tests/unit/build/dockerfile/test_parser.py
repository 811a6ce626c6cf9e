import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.instructions import Arg, Cmd, Copy, From, Run
from amphora.build.dockerfile.parser import Dockerfile, parse, parse_trigger
from amphora.core.errors import DockerfileError

MULTI_STAGE = textwrap.dedent(
    """\
    # syntax=docker/dockerfile:1
    ARG BASE=debian:trixie

    FROM --platform=$BUILDPLATFORM ${BASE} AS Build
    COPY hello.c .
    RUN gcc -static \\
        # the smallest
        -Os \\
        -o /hello hello.c

    FROM scratch
    COPY --from=build /hello /hello
    CMD ["/hello"]
    """
)


def test_stages_hold_the_instructions_behind_their_from():
    dockerfile = parse(MULTI_STAGE)
    assert dockerfile.syntax == "docker/dockerfile:1"
    assert [variable.name for arg in dockerfile.global_args for variable in arg.variables] == [
        "BASE"
    ]
    build, final = dockerfile.stages
    assert (build.index, build.name, build.title) == (0, "build", "build")
    assert (build.base.image, build.base.platform) == ("${BASE}", "$BUILDPLATFORM")
    assert [type(item) for item in build.instructions] == [Copy, Run]
    assert (final.index, final.name, final.title) == (1, "", "stage-1")
    assert [type(item) for item in final.instructions] == [Copy, Cmd]
    assert dockerfile.warnings == ()


def test_an_instruction_knows_its_lines_and_its_code():
    run = parse(MULTI_STAGE).stages[0].instructions[1]
    assert (run.source.start, run.source.end) == (6, 9)
    assert run.source.code == "RUN gcc -static     -Os     -o /hello hello.c"


@pytest.mark.parametrize(
    ("text", "what", "why", "excerpt"),
    [
        ("", "Dockerfile has nothing to build", "it holds no instruction", None),
        ("# comment\n", "Dockerfile has nothing to build", "it holds no instruction", None),
        ("ARG A\n", "Dockerfile has nothing to build", "it holds no FROM", None),
        (
            "ARG A\nRUN a\nFROM b",
            "RUN stands before the first FROM",
            "only ARG can come before it: every other instruction changes a stage",
            "Dockerfile:2\n   2 | RUN a\n     | ^^^",
        ),
        (
            "FROM a\nCOPPY a b",
            "there is no instruction 'COPPY'",
            "a line begins with an instruction, or continues the one before",
            "Dockerfile:2\n   2 | COPPY a b\n     | ^^^^^",
        ),
        (
            "FROM a\n\n\tCOPY  --chown=1 \\\n\t\t--form=b \\\n\t\tc d\n",
            "COPY has no flag --form",
            "its flags are --from, --chown, --chmod, --link, --parents, --exclude",
            "Dockerfile:4\n   4 | \t\t--form=b \\\n     | \t\t^^^^^^^^",
        ),
        (
            "FROM a\nEXPOSE 80 \\\n# comment\n  99999",
            "EXPOSE is wrong",
            "'99999' is not a port number from 0 to 65535",
            "Dockerfile:4\n   4 |   99999\n     |   ^^^^^",
        ),
        (
            "FROM a\nENV A=b \\\n    C",
            "'C' has no `=`",
            "each word must be of the form NAME=VALUE",
            "Dockerfile:3\n   3 |     C\n     |     ^",
        ),
        (
            "FROM a\r\nRUN\r\n",
            "RUN requires a command",
            "its arguments are missing or too few",
            "Dockerfile:2\n   2 | RUN\n     | ^^^",
        ),
        (
            "FROM a\nRUN cat <<EOF\ntext\n",
            "the here-document 'EOF' does not end",
            "no line after line 2 is exactly 'EOF'",
            "Dockerfile:2\n   2 | RUN cat <<EOF\n     |         ^^",
        ),
        (
            "\ufeffFROM a b",
            "FROM requires either one or three arguments",
            "it names an image and, behind AS, the stage",
            "Dockerfile:1\n   1 | FROM a b\n     |      ^^^",
        ),
    ],
)
def test_errors_show_file_line_and_caret(text, what, why, excerpt):
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert (caught.value.what, caught.value.why, caught.value.excerpt) == (what, why, excerpt)
    assert caught.value.next_command


def test_the_file_is_named_as_it_was_given():
    with pytest.raises(DockerfileError) as caught:
        parse("NOPE", "images/app.Dockerfile")
    assert caught.value.excerpt.startswith("images/app.Dockerfile:1\n")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("FROM a", []),
        ("FROM a\nMAINTAINER b", [("MaintainerDeprecated", 2)]),
        ("FROM a\nENV A b", [("LegacyKeyValueFormat", 2)]),
        ("FROM a\nLABEL a b", [("LegacyKeyValueFormat", 2)]),
        ("FROM a\nENV A=b", []),
        ("FROM a AS b\nFROM c AS B", [("DuplicateStageName", 2)]),
        ("FROM a\nFROM c", []),
        ("FROM a AS scratch\nFROM b AS Context",
         [("ReservedStageName", 1), ("ReservedStageName", 2)]),
        ("FROM a\nRUN b \\\n\n c", [("NoEmptyContinuation", 3)]),
        ("FROM a\nCOPY b c /d", [("DestinationWithoutSlash", 2)]),
        ("FROM a\nADD b c /d", [("DestinationWithoutSlash", 2)]),
        ("FROM a\nCOPY b c /d/\nCOPY b c .\nCOPY b c ${D}\nCOPY b /d\nCOPY --parents b c /d", []),
        ("FROM a\nMAINTAINER b\nRUN c \\\n\n d\nENV e f",
         [("MaintainerDeprecated", 2), ("NoEmptyContinuation", 4), ("LegacyKeyValueFormat", 6)]),
    ],
)  # fmt: skip
def test_warnings_come_in_order_of_their_lines(text, rules):
    warnings = parse(text).warnings
    assert [(warning.rule, warning.line) for warning in warnings] == rules
    assert all(warning.message for warning in warnings)


STAGES = parse("FROM x AS one\nFROM one AS two\nFROM two\nFROM two AS one\nFROM one\n")


@pytest.mark.parametrize(
    ("image", "stage", "found"),
    [
        ("one", 0, None),
        ("one", 1, 0),
        ("ONE", 1, None),
        ("one", 4, 3),
        ("one", 3, 0),
        ("two", 1, None),
        ("debian", 4, None),
        ("", 4, None),
        ("0", 4, None),
    ],
)
def test_from_means_an_earlier_stage_or_an_image(image, stage, found):
    base = STAGES.base_stage(image, STAGES.stages[stage])
    assert (base.index if base else None) == found


@pytest.mark.parametrize(
    ("reference", "stage", "found"),
    [
        ("one", 1, 0),
        ("ONE", 1, 0),
        ("one", 4, 3),
        ("0", 1, 0),
        ("3", 4, 3),
        ("debian:12", 4, None),
        ("nope", 4, None),
    ],
)
def test_copy_means_an_earlier_stage_or_an_image(reference, stage, found):
    source = STAGES.source_stage(reference, STAGES.stages[stage])
    assert (source.index if source else None) == found


@pytest.mark.parametrize(
    ("reference", "stage"), [("two", 0), ("two", 1), ("1", 1), ("4", 4), ("9" * 5000, 4)]
)
def test_copy_cannot_mean_this_stage_or_a_later_one(reference, stage):
    with pytest.raises(DockerfileError, match="cannot copy from stage"):
        STAGES.source_stage(reference, STAGES.stages[stage])


@pytest.mark.parametrize(("target", "found"), [("", 4), ("one", 3), ("Two", 1), ("0", 0), ("4", 4)])
def test_the_stage_to_build(target, found):
    assert STAGES.target_stage(target).index == found


@pytest.mark.parametrize("target", ["three", "5", "9" * 5000, "-1", "stage-2"])
def test_a_target_that_is_not_there(target):
    with pytest.raises(DockerfileError, match=r"has no stage .*its stages are one, two, stage-2"):
        STAGES.target_stage(target)


def test_triggers_of_an_image():
    assert isinstance(parse_trigger("COPY . /app", "base:1"), Copy)
    run = parse_trigger("RUN <<E\na\nE", "base:1")
    assert run.shell_text == "a\n"
    assert run.source.filename == "ONBUILD of base:1"


@pytest.mark.parametrize("trigger", ["", "FROM a", "RUN a\nRUN b", "ONBUILD RUN a", "MAINTAINER a"])
def test_triggers_that_no_stage_can_run(trigger):
    with pytest.raises(DockerfileError, match="the image base:1 has an ONBUILD trigger"):
        parse_trigger(trigger, "base:1")


PIECES = st.sampled_from(
    [
        *("FROM a", "FROM a AS b", "ARG A=b", "ENV A b", "RUN ", "COPY ", "ADD --", "ONBUILD "),
        *("HEALTHCHECK ", "--from=x ", "--interval=1s ", "CMD ", "EXPOSE ", "LABEL ", "SHELL "),
        *("<<EOF", "EOF", "\n", "\n", "\\\n", "# escape=`\n", "`\n", '["a"', "$A", "\r\n"),
        *"[]#'\"= \t\ufeff",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join) | st.text(max_size=200)


@given(TEXTS)
def test_any_text_is_a_dockerfile_or_a_dockerfile_error(text):
    for content in (text, f"FROM a\n{text}"):
        try:
            dockerfile = parse(content)
        except DockerfileError as error:
            assert error.what  # noqa: PT017
            continue
        assert isinstance(dockerfile, Dockerfile)
        assert dockerfile.stages


@given(st.lists(st.sampled_from(["FROM a", "ARG A", "RUN b", "# c", ""]), max_size=8))
def test_no_instruction_is_lost(rows):
    text = "\n".join(["ARG Z", "FROM first", *rows])
    dockerfile = parse(text)
    read = sum(1 + len(stage.instructions) for stage in dockerfile.stages)
    assert read == 1 + sum(row[:1].isalpha() for row in rows)
    assert all(isinstance(arg, Arg) for arg in dockerfile.global_args)
    assert all(isinstance(stage.base, From) for stage in dockerfile.stages)
