"""What is executed again, what is not, and when two builds give the same digest."""

import os
import shutil

import pytest

from amphora.oci.archive import import_archive
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
DOCKERFILE = """\
FROM busybox
ARG WHO=nobody
COPY dir /dir/
RUN echo $WHO > /who
ENV A=1
RUN cat /proc/sys/kernel/random/uuid > /when
"""
STEPS = ("COPY dir /dir/", "RUN echo $WHO > /who", "RUN cat /proc/sys/kernel/random/uuid > /when")


def executed(built):
    """Which of the three steps were not taken from the cache."""
    ran = built.ran()
    return [step.split()[0] for step in STEPS if ran[step] != ["cached"]]


def touch(path):
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "arguments", "again"),
    [
        (lambda directory: None, [], []),
        (lambda directory: touch(directory / "dir/file"), [], []),
        (lambda directory: (directory / "unused").write_text("x"), [], []),
        (lambda directory: (directory / "dir/file").write_text("x"), [], ["COPY", "RUN", "RUN"]),
        (lambda directory: (directory / "dir/file").chmod(0o755), [], ["COPY", "RUN", "RUN"]),
        (lambda directory: None, ["--build-arg", "WHO=me"], ["RUN", "RUN"]),
        (lambda directory: None, ["--no-cache"], ["COPY", "RUN", "RUN"]),
    ],
    ids=["nothing", "time", "unused", "content", "mode", "argument", "no-cache"],
)
def test_what_is_executed_again(build, change, arguments, again):
    build.write(DOCKERFILE, dir__file="content")
    first = build()
    assert executed(first) == ["COPY", "RUN", "RUN"]
    change(build.directory)
    second = build(*arguments)
    assert executed(second) == again
    assert (second.digest == first.digest) is (not again)


def test_a_changed_variable_executes_what_follows(build):
    build.write(DOCKERFILE, dir__file="content")
    build()
    build.write(DOCKERFILE.replace("A=1", "A=2"))
    assert executed(build()) == ["RUN"]


def test_what_was_cached_is_good_to_build_upon(build):
    build.write(DOCKERFILE, dir__file="content")
    build()
    shutil.rmtree(build.amphora.store / "snapshots")
    build.write(DOCKERFILE + "RUN cat /dir/file /who > /both\n")
    built = build()
    assert executed(built) == []
    assert built.text("both") == "contentnobody\n"


def test_the_same_epoch_gives_the_same_digest_anywhere(
    build, build_elsewhere, tmp_path, busybox_archive
):
    build.amphora.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    dockerfile = """\
FROM busybox AS build
COPY . /src/
WORKDIR /made/here
RUN cat /src/dir/file > out; mkdir /empty
FROM busybox
COPY --from=build /made /made
COPY <<EOF /inline
text
EOF
ADD dir /dir/
CMD ["sh"]
"""
    build.write(dockerfile, dir__file="content", dir__other="other")
    first = build(BOTH)

    home = tmp_path / "another home"
    home.mkdir()
    other = build_elsewhere(type(build.amphora)(home), tmp_path / "another context")
    other.amphora.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    with busybox_archive.open("rb") as archive:
        import_archive(Store(other.amphora.store), archive)
    (other.directory / "dir").mkdir(parents=True)
    (other.directory / "dir/other").write_text("other")
    other.write(dockerfile, dir__file="content")
    touch(other.directory / "dir/file")
    touch(other.directory / "dir")
    second = other(BOTH)
    assert second.digest == first.digest

    image = first.config()
    assert image.created == "2023-11-14T22:13:20Z"
    assert {line.created for line in image.history} == {image.created}
    times = {
        entry.mtime
        for number in range(len(first.layer_digests()))
        for entry in first.layer(number).values()
    }
    assert max(times) == 1700000000
