"""COPY and ADD with every flag, of files, stages, URLs and repositories, in whole builds."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from amphora.core.digest import Digest
from amphora.core.errors import FetchError

BOTH = "--platform=linux/amd64,linux/arm64"


def test_parents_exclude_and_chmod(build):
    build.write(
        """\
FROM busybox
COPY --parents a/b/c.txt /with/
COPY --parents ./a/./b/c.txt /pivot/
COPY --parents **/*.txt /all/
COPY --exclude=*.md --exclude=b a /some/
ADD --exclude=*.md a /added/
COPY --chmod=u=rwX,go=rX a /modes/
COPY --chmod=640 a/x.md /octal
""",
        **{"a__b__c.txt": "c", "a__x.md": "x"},
    )
    (build.directory / "a").chmod(0o700)
    built = build()
    layers = [set(built.layer(number)) for number in range(6)]
    assert layers[0] == {"with", "with/a", "with/a/b", "with/a/b/c.txt"}
    assert layers[1] == {"pivot", "pivot/b", "pivot/b/c.txt"}
    assert layers[2] == {"all", "all/a", "all/a/b", "all/a/b/c.txt"}
    assert layers[3] == {"some"}
    assert layers[4] == {"added", "added/b", "added/b/c.txt"}
    assert built.layer(0)["with/a"].mode == 0o700
    modes = {name: file.mode for name, file in built.layer(5).items()}
    assert (modes["modes/b"], modes["modes/x.md"]) == (0o755, 0o644)
    assert built.layer(6)["octal"].mode == 0o640


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("COPY --chmod=u+y Dockerfile /", 11, "--chmod is wrong"),
        ("COPY --exclude=[ . /", 11, "--exclude is wrong"),
        ("COPY --parents missing/file /", 13, "cannot find 'missing/file'"),
        ("COPY https://host/file /", 11, "write ADD"),
        ("COPY --link --chown=nobody Dockerfile /", 10, "no user 'nobody'"),
        ("ADD --checksum=sha256:0 https://host/file /", 11, "--checksum is wrong"),
        ("ADD --checksum=abcdef0 Dockerfile /", 11, "--checksum is wrong"),
        ("ADD --checksum=main https://host/x.git /", 11, "name of a commit"),
        ("ADD https://host/x.git?no=thing /", 10, "is not the location"),
        ("ADD http://no-such-host.invalid/file /", 43, "its host is not known"),
    ],
)
def test_errors_show_the_line(build, line, status, said):
    done = build.write(f"FROM busybox\n{line}\n").run()
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Dockerfile:2" in done.stderr


def test_a_linked_layer_fits_onto_anything(build):
    build.write(
        """\
FROM busybox AS one
RUN mkdir /real && ln -s /real /link && echo kept > /tmp/kept
COPY --link --chown=mail:staff file /link/
COPY --link file /tmp/
RUN cat /tmp/kept /tmp/file > /seen && test -d /link && test ! -e /real/file
""",
        file="file",
    )
    first = build(BOTH)
    assert first.text("seen") == "kept\nfile"
    assert (first.layer(1)["link/file"].uid, first.layer(1)["link/file"].gid) == (8, 50)
    assert first.layer_digests()[1] == first.layer_digests("linux/arm64")[1]
    text = (build.directory / "Dockerfile").read_text()
    again = build.write(text.replace("echo kept", "echo changed")).__call__()
    assert again.text("seen") == "changed\nfile"
    assert again.ran()["COPY --link file /tmp/"] == ["cached"]
    assert again.layer_digests()[2] == first.layer_digests()[2]


def test_a_number_alone_is_the_group_too(build):
    build.write("FROM busybox\nCOPY --chown=8 file /a\nCOPY --chown=mail file /b\n", file="x")
    built = build()
    owners = [(f.uid, f.gid) for n in (0, 1) for f in built.layer(n).values()]
    assert owners == [(8, 8), (8, 12)]


def test_a_stage_that_comes_to_the_same_files_changes_nothing(build):
    text = """\
FROM busybox AS make
RUN echo VALUE > /other; echo same > /out
FROM scratch
COPY --from=make /out /
"""
    first = build.write(text)()
    again = build.write(text.replace("VALUE", "other"))()
    assert again.ran()["COPY --from=make /out /"] == ["cached"]
    assert first.variant()[0].layers == again.variant()[0].layers
    changed = build.write(text.replace("same", "changed"))()
    assert changed.ran()["COPY --from=make /out /"] == ["worker"]


def test_add_of_urls(build, web, page):
    date = {"Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT"}
    web.pages["/dir/file.txt?key=hidden"] = page(b"text", headers=date)
    web.pages["/plain"] = page(b"plain", headers={"ETag": '"1"'})
    digest = Digest.of(b"plain")
    build.write(
        f"""\
FROM busybox
ADD {web.url("/dir/file.txt?key=hidden")} /new/
ADD --chmod=755 --chown=8:12 {web.url("/plain")} local /both/
""",
        local="local",
    )
    built = build(BOTH)
    file = built.layer(0)["new/file.txt"]
    assert (file.text, file.mode, file.mtime) == ("text", 0o600, 1_000_000_000)
    both = built.layer(1)
    assert (both["both/plain"].text, both["both/local"].text) == ("plain", "local")
    assert (both["both/plain"].mode, both["both/plain"].uid, both["both/plain"].mtime) == (
        0o755,
        8,
        0,
    )
    assert [path for path, _ in web.asked].count("/plain") == 1
    assert {place for places in build(BOTH).ran().values() for place in places} == {"cached"}
    web.pages["/plain"] = page(b"other", headers={"ETag": '"2"'})
    assert build().text("both/plain") == "other"
    wrong = build.write(f"FROM scratch\nADD --checksum={digest} {web.url('/plain')} /\n").run()
    assert wrong.returncode == 33
    assert f"{Digest.of(b'other')}, and {digest} was expected" in wrong.stderr


def test_a_downloaded_archive_is_unpacked_only_on_request(build, web, page, tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        info = tarfile.TarInfo("inside")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    web.pages["/a.tar.gz"] = page(content.getvalue())
    url = web.url("/a.tar.gz")
    build.write(f"FROM scratch\nADD {url} /kept/\nADD --unpack {url} /out/\n")
    built = build()
    assert set(built.layer(-1)) == {"kept", "kept/a.tar.gz"}
    assert set(built.layer(0)) == {"out", "out/inside"}


def test_add_of_repositories(build, hub):
    commit = hub.commit("app.git", a="1", dir__b="b")
    hub.git("app.git", "tag", "v1")
    url = hub.url("app.git")
    text = f"""\
FROM busybox
ADD {url} /all
ADD --exclude=b {url}#v1:dir /sub
ADD --keep-git-dir --checksum={commit} {url}?tag=v1 /git/
"""
    first = build.write(text)(BOTH)
    entries = first.layer(0)
    assert set(entries) == {"all", "all/a", "all/dir", "all/dir/b"}
    assert (entries["all/a"].mode, entries["all/a"].mtime) == (0o644, 1_000_000_000)
    assert set(first.layer(1)) == {"sub"}
    assert "git/.git/HEAD" in first.layer(2)
    hub.commit("app.git", a="2")
    again = build()
    assert again.text("all/a") == "2"
    assert again.ran()[f"ADD --exclude=b {url}#v1:dir /sub"] == ["worker"]
    moved = build.write(f"FROM scratch\nADD --checksum={commit} {url} /\n").run()
    assert moved.returncode == 33
    missing = build.write(f"FROM scratch\nADD {url}#v1:none /\n").run()
    assert missing.returncode == 13
    assert "has no directory 'none'" in missing.stderr


#: In the place of ssh: it needs a key from an agent, and then does here what would be done there.
_SSH = """\
#!/bin/sh
ssh-add -l > {said} || exit 255
for last; do :; done
exec sh -c "$last"
"""


def test_a_repository_by_ssh_with_a_key_of_the_command_line(build, hub, tmp_path):
    hub.commit("app.git", a="1")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(_SSH.format(said=tmp_path / "said"))
    (programs / "ssh").chmod(0o755)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    build.amphora.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    build.write(f"FROM busybox\nADD ssh://git@host.invalid{hub.directory}/app.git /src/\n")
    assert build.run().returncode == FetchError.exit_code
    assert build("--ssh", f"default={key}").text("src/a") == "1"
    assert "(ED25519)" in (tmp_path / "said").read_text()
    scp = build.write(f"FROM busybox\nADD git@host.invalid:{hub.directory}/app.git /src/\n")
    assert scp("--ssh", f"default={key}").text("src/a") == "1"


def test_the_example_of_the_documentation_is_true(build):
    page = (Path(__file__).parents[3] / "docs/dockerfile.md").read_text()
    example = page.partition("```dockerfile\n")[2].partition("```")[0]
    build.write(
        example, src__notes="x", src__deep__a="a", **{"src__deep__b.txt": "b", "src__c.md": "c"}
    )
    built = build()
    names = [{name for name, file in built.layer(n).items() if file.kind == "-"} for n in range(4)]
    assert names[0] == {"texts/deep/b.txt"}
    assert names[1] == {"app/deep/a", "app/deep/b.txt"}
    assert names[2] == {f"served/{name}" for name in ("notes", "deep/a", "deep/b.txt", "c.md")}
    assert built.layer(2)["served/deep"].mode == 0o755
    assert len(names[3]) == 4
