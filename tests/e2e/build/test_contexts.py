"""Where a build takes its files from: directories, tars, repositories, images, standard input."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest


def tar(compression="", **files):
    """A tar of files; `__` in a name stands for a slash."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{compression}") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()


@pytest.fixture
def build_from(build, built):
    """Build with these arguments and this standard input; returns what was built."""

    def call(*arguments, stdin=b"", fails=False):
        amphora = build.amphora
        done = subprocess.run(
            amphora.command("build", "--format", "json", *arguments),
            env=amphora.environ(),
            input=stdin,
            capture_output=True,
            check=False,
        )
        errors = done.stderr.decode()
        if fails:
            return done.returncode, errors
        assert done.returncode == 0, errors
        return built(amphora.store, json.loads(done.stdout), errors)

    return call


DOCKERFILE = "FROM busybox\nCOPY . /src\n"


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_on_standard_input(build_from, compression):
    content = tar(
        compression, Dockerfile=DOCKERFILE, dir__file="x", **{".dockerignore": "Dockerfile"}
    )
    built = build_from("-", stdin=content)
    assert set(built.layer(0)) == {"src", "src/.dockerignore", "src/dir", "src/dir/file"}
    named = tar(compression, sub__My="FROM busybox\nCOPY sub/My /\n")
    assert set(build_from("-f", "sub/My", "-", stdin=named).layer(0)) == {"My"}


def test_a_dockerfile_on_standard_input(build_from, build):
    assert build_from("-", stdin=b"FROM busybox\nRUN echo x > /x\n").text("x") == "x\n"
    build.write("", file="content")
    built = build_from("-f", "-", build.directory, stdin=b"FROM busybox\nCOPY file /\n")
    assert built.text("file") == "content"


def test_standard_input_cannot_be_both(build_from):
    status, errors = build_from("-f", "-", "-", fails=True)
    assert (status, "cannot both be standard input" in errors) == (13, True)
    status, errors = build_from("-", stdin=tar(file="x"), fails=True)
    assert (status, "cannot read the Dockerfile" in errors) == (13, True)


def test_a_hostile_tar_stays_inside(build_from, tmp_path):
    (tmp_path / "canary").write_text("canary")
    (tmp_path / "secret").write_text("secret")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, kind, text in [
            ("out", tarfile.SYMTYPE, str(tmp_path)),
            ("out/canary", tarfile.REGTYPE, ""),
            (f"../../../../../../../..{tmp_path}/canary", tarfile.REGTYPE, ""),
            ("Dockerfile", tarfile.REGTYPE, "FROM busybox\nCOPY out/secret /\n"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, text if kind == tarfile.SYMTYPE else ""
            info.size = len(text) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(text.encode()))
    status, errors = build_from("-", stdin=content.getvalue(), fails=True)
    assert (status, "cannot find 'out/secret'" in errors) == (13, True)
    assert (tmp_path / "canary").read_text() == "canary"


def test_a_dockerfile_that_leads_out_of_a_tar_is_not_read(build_from, tmp_path):
    (tmp_path / "Outside").write_text("FROM busybox\n")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("Dockerfile")
        info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path / "Outside")
        archive.addfile(info)
    assert build_from("-", stdin=content.getvalue(), fails=True)[0] == 13


def test_contexts_by_url(build_from, web, page):
    web.pages["/c.tgz"] = page(tar("gz", Dockerfile=DOCKERFILE, file="x"))
    web.pages["/Dockerfile"] = page(b"FROM busybox\nRUN echo x > /x\n")
    assert build_from(web.url("/c.tgz")).text("src/file") == "x"
    assert build_from(web.url("/Dockerfile")).text("x") == "x\n"
    status, errors = build_from(web.url("/missing"), fails=True)
    assert (status, "answered 404" in errors) == (43, True)


def test_contexts_from_git(build_from, hub):
    hub.commit("app.git", sub__Dockerfile=DOCKERFILE, sub__file="x", other="x")
    url = hub.url("app.git")
    built = build_from(f"{url}#main:sub")
    assert set(built.layer(0)) == {"src", "src/Dockerfile", "src/file"}
    again = build_from(f"{url}?branch=main&subdir=sub")
    assert again.ran()["COPY . /src"] == ["cached"]
    kept = build_from("--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", "-f", "sub/Dockerfile", url)
    assert "src/.git/HEAD" in kept.layer(0)


def test_an_ignore_file_of_the_dockerfile_goes_first(build_from, build):
    build.write(DOCKERFILE, a="a", b="b", **{".dockerignore": "a", "Dockerfile.dockerignore": "b"})
    names = set(build_from(build.directory).layer(0))
    assert ("src/a" in names, "src/b" in names) == (True, False)
    own = tar(
        Dockerfile=DOCKERFILE,
        a="a",
        b="b",
        **{".dockerignore": "a", "Dockerfile.dockerignore": "b"},
    )
    names = set(build_from("-", stdin=own).layer(0))
    assert ("src/a" in names, "src/b" in names) == (True, False)


def test_named_directories(build_from, build, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("named")
    (other / "ignored").write_text("x")
    (other / ".dockerignore").write_text("ignored\n.dockerignore\n")
    (other / "etc").mkdir()
    build.write("FROM busybox\nCOPY --from=lib . /lib/\nFROM lib\nCOPY --from=0 /lib/file /copy\n")
    built = build_from(f"--build-context=lib={other}", build.directory)
    assert set(built.layer(-1)) == {"file", "etc"}
    assert built.text("copy") == "named"
    assert built.config().config.env == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    (other / "file").write_text("changed")
    assert build_from(f"--build-context=lib={other}", build.directory).text("copy") == "changed"


def test_a_context_takes_the_place_of_a_stage_and_of_an_image(build_from, build, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "out").write_text("given")
    build.write(
        "FROM busybox AS make\nRUN false\nFROM nowhere.invalid/image:latest\n"
        "COPY --from=make out /\nCOPY --from=third /etc/group /\n"
    )
    built = build_from(
        f"--build-context=make={other}",
        "--build-context=nowhere.invalid/image=docker-image://busybox",
        "--build-context=third=docker-image://busybox:latest",
        build.directory,
    )
    assert built.text("out") == "given"
    assert built.text("group").startswith("root:")


def test_images_in_a_layout(build_from, build, busybox_archive, tmp_path):
    layout = tmp_path / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", busybox_archive, "-C", layout], check=True)
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    build.write("FROM base\nRUN echo x > /x\n")
    for suffix in ("", ":latest", f"@{digest}"):
        built = build_from(
            "--platform=linux/amd64,linux/arm64",
            f"--build-context=base=oci-layout://{layout}{suffix}",
            build.directory,
        )
        assert built.text("x", "linux/arm64") == "x\n"
    for suffix, status in ((":none", 30), ("/nowhere", 30), ("@sha256:0", 10)):
        argument = f"--build-context=base=oci-layout://{layout}{suffix}"
        assert build_from(argument, build.directory, fails=True)[0] == status


def test_a_damaged_layout_is_refused(build_from, build, busybox_archive, tmp_path):
    layout = tmp_path / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", busybox_archive, "-C", layout], check=True)
    text = (layout / "index.json").read_text()
    digest = json.loads(text)["manifests"][0]["digest"]
    other = "sha256:" + "0" * 64
    (layout / "index.json").write_text(text.replace(digest, other))
    Path(layout / "blobs/sha256" / digest[7:]).rename(layout / "blobs/sha256" / other[7:])
    build.write("FROM base\n")
    argument = f"--build-context=base=oci-layout://{layout}"
    assert build_from(argument, build.directory, fails=True)[0] == 33


@pytest.mark.parametrize(
    ("location", "status", "said"),
    [
        ("/nowhere", 13, "it is not a directory"),
        ("target:x", 10, "bake"),
        ("docker-image://UPPER", 10, "is not an image reference"),
    ],
)
def test_named_contexts_that_mean_nothing(build_from, build, location, status, said):
    build.write("FROM base\n")
    code, errors = build_from(f"--build-context=base={location}", build.directory, fails=True)
    assert (code, said in errors) == (status, True), errors
    assert "Dockerfile:1" in errors
