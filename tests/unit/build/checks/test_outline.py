"""--call targets and outline, as values."""

from amphora.build.checks.outline import Argument, Attachment, Target, list_targets, outline
from amphora.build.dockerfile.parser import parse

TEXT = """\
# VERSION to build
ARG VERSION=1
FROM busybox:$VERSION AS tools
ARG UNUSED=no
# build compiles it
FROM busybox AS build
# FLAGS for the compiler
ARG FLAGS="-O2 $VERSION"
ARG VERSION
RUN --mount=type=secret,id=token --mount=type=ssh,required make
RUN --mount=type=secret,id=token,required=true make
RUN --mount=type=bind,from=tools,target=/tools --mount=type=secret,target=/run/other make
FROM scratch
COPY --from=build /x /x
"""


def test_every_stage_is_a_target():
    assert list_targets(parse(TEXT)) == [
        Target("tools", "", "busybox:$VERSION", 3, False),
        Target("build", "compiles it", "busybox", 6, False),
        Target("stage-2", "", "scratch", 13, True),
    ]


def test_the_outline_is_that_of_all_stages_that_are_needed():
    found = outline(parse(TEXT), "", {"VERSION": "2"})
    assert found.name == "stage-2"
    assert found.arguments == [
        Argument("VERSION", "2", "", 9),
        Argument("UNUSED", "no", "", 4),
        Argument("FLAGS", "-O2 ", "for the compiler", 8),
    ]
    assert found.secrets == [Attachment("token", True, 10), Attachment("other", False, 12)]
    assert found.agents == [Attachment("default", True, 10)]


def test_what_a_target_does_not_need_is_left_out():
    found = outline(parse(TEXT), "tools", {})
    assert [(item.name, item.value) for item in found.arguments] == [
        ("VERSION", "1"),
        ("UNUSED", "no"),
    ]
    assert found.arguments[0].description == "to build"
    assert found.secrets == found.agents == []
