"""What is in the layers: files, owners, modes, whiteouts, and nothing that does not belong."""

import io
import tarfile

import pytest

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
BOTH_NAMES = ("linux/amd64", "linux/arm64")


def test_copied_layers_are_the_same_blob_on_every_platform(build):
    build.write(
        """\
FROM busybox
WORKDIR /app
COPY . /app/
COPY --chown=mail:staff --chmod=4755 file /bin/tool
COPY <<EOF /etc/inline
inline
EOF
""",
        file="content",
        dir__inner="inner",
    )
    built = build(BOTH)
    native, emulated = (built.layer_digests(platform)[1:] for platform in BOTH_NAMES)
    assert native == emulated
    assert len(native) == 3
    bases = {built.variant(platform)[0].layers[0].digest for platform in BOTH_NAMES}
    assert len(bases) == 2
    tool = built.layer(2)["bin/tool"]
    assert (tool.uid, tool.gid, tool.mode, tool.text) == (8, 50, 0o4755, "content")
    assert built.layer(1)["app/dir/inner"].uid == 0
    assert built.layer(3)["etc/inline"].mode == 0o644


def test_layers_hold_what_a_command_did_and_nothing_of_ours(build):
    build.write(
        """\
FROM busybox
RUN mkdir -m 700 /d && echo text > /d/f && chmod 2640 /d/f && chown 8:12 /d/f && ln -s f /d/link \
    && ln /d/f /d/same && ls /proc/self /dev/null /sys/kernel > /dev/null
RUN rm /d/f /tmp -r && rm -r /d && mkdir /d && touch /d/new
RUN cat /etc/resolv.conf /etc/hosts > /dev/null
"""
    )
    built = build()
    first, second = built.layer(0), built.layer(1)
    assert set(first) == {"d", "d/f", "d/link", "d/same"}
    assert (first["d"].mode, first["d/f"].mode) == (0o700, 0o2640)
    assert (first["d/f"].uid, first["d/f"].gid) == (8, 12)
    assert (first["d/link"].kind, first["d/link"].link) == ("l", "f")
    assert (first["d/same"].kind, first["d/same"].link) == ("h", "d/f")
    assert set(second) == {".wh.tmp", "d", "d/.wh..wh..opq", "d/new"}
    assert len(built.layer_digests()) == 2


def test_what_dockerignore_leaves_out(build):
    build.write(
        "FROM busybox\nCOPY . /all/\nCOPY doc* /docs/\nCOPY none* file* /some/\n",
        **{".dockerignore": "# comment\n*.log\ndocs\n!docs/README.md\nDockerfile*\n**/cache\n"},
        file="file",
        a__b__x__cache__y="y",
        build__log="kept",
        noise=".log",
        docs__README="",
    )
    (build.directory / "trace.log").write_text("log")
    (build.directory / "docs/README.md").write_text("readme")
    (build.directory / "docs/other.md").write_text("other")
    built = build()
    files = {name for name, entry in built.layer(0).items() if entry.kind == "-"}
    assert files == {f"all/{name}" for name in (".dockerignore", "build/log", "docs/README.md")} | {
        "all/file",
        "all/noise",
    }
    assert "all/a/b/x" in built.layer(0)
    assert set(built.layer(1)) == {"docs", "docs/README.md"}
    assert set(built.layer(2)) == {"some", "some/file"}
    (build.directory / "Dockerfile.dockerignore").write_text("*\n!file\n")
    own = build()
    assert own.layer(0).keys() == {"all", "all/file"}


def test_what_is_missing_in_the_context_is_said_with_the_line(build):
    build.write("FROM busybox\nCOPY file missing /x/\n", file="", **{".dockerignore": "file"})
    failed = build.run()
    assert failed.returncode == 13
    assert "Dockerfile:2" in failed.stderr
    assert "COPY cannot find 'file'" in failed.stderr
    assert ".dockerignore leaves it out" in failed.stderr


def test_a_link_that_leads_nowhere_is_an_error_of_the_context(build):
    build.write("FROM busybox\nCOPY loop /x/\n")
    (build.directory / "loop").symlink_to("loop")
    failed = build.run()
    assert failed.returncode == 13
    assert "Traceback" not in failed.stderr


def test_add_unpacks_tars_and_copies_everything_else(build):
    build.write(
        """\
FROM busybox
ADD files.tar.gz plain /unpacked/
ADD --unpack=false files.tar.gz /packed/
COPY files.tar.gz /copied/
RUN ls -l /unpacked/dir/file && cat /unpacked/dir/file > /proof
""",
        plain="plain",
    )
    with tarfile.open(build.directory / "files.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("dir/file")
        info.size, info.uid, info.mode = 7, 8, 0o640
        archive.addfile(info, io.BytesIO(b"content"))
    built = build()
    assert set(built.layer(0)) == {
        "unpacked",
        "unpacked/dir",
        "unpacked/dir/file",
        "unpacked/plain",
    }
    assert built.layer(0)["unpacked/dir/file"].uid == 8
    assert set(built.layer(1)) == {"packed", "packed/files.tar.gz"}
    assert set(built.layer(2)) == {"copied", "copied/files.tar.gz"}
    assert built.text("proof") == "content"
