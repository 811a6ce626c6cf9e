"""Each build check: what violates it, and what comes close but does not."""

import pytest

from amphora.build.checks.directive import check_settings
from amphora.build.checks.text import check_text
from amphora.build.checks.variables import check_variables
from amphora.build.dockerfile.parser import parse
from amphora.core.errors import DockerfileError
from amphora.core.platform import Platform

ARM64 = Platform.parse("linux/arm64")


def found(text, build_args=None, images=None):
    """The violations as (rule, line), without those nobody asked for."""
    dockerfile = parse(text)
    environment = (images or {}).get
    notices = [
        *check_text(dockerfile),
        *check_variables(dockerfile, build_args or {}, ARM64, environment),
    ]
    kept = check_settings(dockerfile, build_args or {}).kept(notices)
    assert all(notice.message for notice in kept)
    return [(notice.rule, notice.line) for notice in kept]


@pytest.mark.parametrize(
    ("rule", "line", "text"),
    [
        ("StageNameCasing", 1, "FROM a AS Base"),
        ("FromAsCasing", 1, "FROM a as base"),
        ("FromAsCasing", 1, "from a AS base"),
        ("NoEmptyContinuation", 3, "FROM a\nRUN x \\\n\n  y"),
        ("ConsistentInstructionCasing", 2, "FROM a\nrun x\nRUN y"),
        ("ConsistentInstructionCasing", 3, "FROM a\nRUN x\nRun y"),
        ("ConsistentInstructionCasing", 1, "FROM a\nrun x\nuser y"),
        ("DuplicateStageName", 2, "FROM a AS b\nFROM c AS b"),
        ("ReservedStageName", 1, "FROM a AS context"),
        ("JSONArgsRecommended", 2, "FROM a\nCMD run it"),
        ("JSONArgsRecommended", 2, "FROM a\nENTRYPOINT run it"),
        ("MaintainerDeprecated", 2, "FROM a\nMAINTAINER me"),
        ("UndefinedArgInFrom", 1, "FROM a$VERSION"),
        ("UndefinedArgInFrom", 1, "FROM --platform=$BUILDPLATFROM a"),
        ("WorkdirRelativePath", 2, "FROM a\nWORKDIR app"),
        ("WorkdirRelativePath", 3, "FROM a AS b\nFROM b\nWORKDIR app"),
        ("MultipleInstructionsDisallowed", 2, 'FROM a\nCMD ["a"]\nCMD ["b"]'),
        ("MultipleInstructionsDisallowed", 2, "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x"),
        ("LegacyKeyValueFormat", 2, "FROM a\nENV b c"),
        ("RedundantTargetPlatform", 1, "FROM --platform=$TARGETPLATFORM a"),
        ("RedundantTargetPlatform", 1, "FROM --platform=${TARGETPLATFORM} a"),
        ("FromPlatformFlagConstDisallowed", 1, "FROM --platform=linux/amd64 a AS linux"),
        ("SecretsUsedInArgOrEnv", 2, "FROM a\nARG GITHUB_TOKEN"),
        ("SecretsUsedInArgOrEnv", 2, "FROM a\nENV a=1 Api_Key=2 password=3"),
        ("InvalidDefaultArgInFrom", 2, "ARG TAG\nFROM a:$TAG"),
        ("InvalidDefaultArgInFrom", 2, "ARG TAG=a/b\nFROM a:$TAG"),
        ("InvalidDefaultArgInFrom", 1, "FROM a${"),
        ("ExposeProtoCasing", 2, "FROM a\nEXPOSE 53/UDP"),
        ("ExposeInvalidFormat", 2, "FROM a\nEXPOSE 127.0.0.1:80:80"),
        ("UndefinedVar", 2, "FROM scratch\nCOPY $WHERE /"),
        ("UndefinedVar", 2, "FROM scratch\nENV A=${B} B=1"),
        ("UndefinedVar", 3, "FROM scratch AS a\nFROM a\nLABEL x=$y"),
        ("InvalidDefinitionDescription", 3, "# check=experimental=all\n# other\nFROM a AS b"),
        (
            "InvalidDefinitionDescription",
            4,
            "# check=experimental=InvalidDefinitionDescription\nFROM a\n# no\nARG B=1",
        ),
    ],
)
def test_what_violates_a_check(rule, line, text):
    assert (rule, line) in found(text)
    assert {name for name, _ in found(text)} <= {rule, "SecretsUsedInArgOrEnv"}


@pytest.mark.parametrize(
    "text",
    [
        "from a as b\nrun x",
        "FROM a AS b\nRUN x",
        "FROM --platform=linux/amd64 a AS build_amd64",
        "FROM --platform=$BUILDPLATFORM a",
        "ARG P=linux/amd64\nFROM --platform=$P a",
        'FROM a\nSHELL ["/bin/bash", "-c"]\nCMD run it',
        "FROM a\nWORKDIR /app\nWORKDIR sub",
        "FROM a AS b\nWORKDIR /app\nFROM b\nWORKDIR sub",
        "FROM a\nWORKDIR $WHERE/sub",
        'FROM a AS b\nCMD ["x"]\nFROM b\nCMD ["y"]',
        "FROM a\nENV PUBLIC_KEY=1 KEYBOARD=2 MONKEY=3",
        "FROM a\nEXPOSE 53/udp 80 $PORT/$PROTO",
        "ARG TAG=1\nFROM a:$TAG",
        "FROM a${TAG:-:1}",
        "FROM scratch\nARG WHERE\nCOPY $WHERE /",
        "FROM scratch\nCOPY ${WHERE:-here} $PATH /",
        "FROM scratch\nENV A=$HTTP_PROXY",
        "FROM unknown\nCOPY $JAVA_HOME /",
        "FROM scratch\nRUN echo $ANYTHING",
        "FROM scratch AS never\nLABEL a=${NEEDED:?} b=${\nFROM scratch",
        "# anything at all\nFROM a AS b",
        "# check=experimental=all\n# b builds it\nFROM a AS b\n\n# far away\n\nARG C=1",
    ],
)
def test_what_comes_close(text):
    assert found(text) == []


def test_the_environment_of_a_known_image_counts():
    text = "FROM java AS build\nCOPY $JAVA_HOME $JAVA_HOM /\nFROM build\nLABEL a=$JAVA_HOME"
    assert found(text, images={"java": {"JAVA_HOME": "/opt"}}) == [("UndefinedVar", 2)]
    dockerfile = parse(text)
    environment = {"java": {"JAVA_HOME": "/opt"}}.get
    [notice] = check_variables(dockerfile, {}, ARM64, environment)
    assert "did you mean $JAVA_HOME?" in notice.message


def test_build_args_count_where_they_are_declared():
    text = "ARG TAG\nFROM a:$TAG AS b"
    assert found(text, {"TAG": "1"}) == [("InvalidDefaultArgInFrom", 2)]


def test_a_default_that_is_not_needed_is_not_evaluated():
    assert found("ARG A=${B:?needed}\nFROM scratch", {"A": "1"}) == []
    with pytest.raises(DockerfileError):
        found("ARG A=${B:?needed}\nFROM scratch")


@pytest.mark.parametrize("name", list("@*#?-$!0"))
def test_special_parameters_are_variables_without_a_value(name):
    assert found(f'FROM scratch\nLABEL a="${name} y"') == [("UndefinedVar", 2)]


def test_checks_are_skipped_by_name_or_all_at_once():
    text = "FROM a as Base\nCMD run it"
    assert len(found(text)) == 3
    assert found(f"# check=skip=all\n{text}") == []
    only = found(f"# check=skip=FromAsCasing, JSONArgsRecommended ;error=true\n{text}")
    assert only == [("StageNameCasing", 2)]
    assert found(text, {"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}) == []
    assert len(found(f"# check=skip=all\n{text}", {"BUILDKIT_DOCKERFILE_CHECK": "error=true"})) == 3


@pytest.mark.parametrize("text", ["skip", "error=maybe", "skips=all", "skip=all;x"])
def test_what_is_no_check_directive(text):
    with pytest.raises(DockerfileError, match="check directive"):
        check_settings(parse(f"# check={text}\nFROM a"), {})


def test_error_is_read():
    assert check_settings(parse("# check=error=true\nFROM a"), {}).error
    assert not check_settings(parse("FROM a"), {}).error
