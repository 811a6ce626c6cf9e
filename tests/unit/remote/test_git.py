"""Commits from git's own daemon: pinned, laid out evenly, and nothing of theirs executed."""

import asyncio
import os

import pytest
from msgspec.structs import replace

from amphora.core.errors import DigestMismatchError, FetchError
from amphora.remote.git import Repositories
from amphora.remote.location import parse_git


@pytest.fixture
def repositories(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    return Repositories(work)


@pytest.fixture
def commits(hub):
    """A repository with a tag, an annotated tag, a branch and more on its main branch."""
    first = hub.commit("app", a="1", dir__b="b")
    hub.git("app", "tag", "light")
    hub.git("app", "tag", "--annotate", "--message=x", "v1")
    hub.git("app", "branch", "feature/x")
    hub.git("app", "branch", "v1")
    second = hub.commit("app", a="2")
    return first, second


def pin(repositories, location):
    return asyncio.run(repositories.pin(location))


def checkout(repositories, location, **options):
    async def both():
        return await repositories.checkout(location, await repositories.pin(location), **options)

    return asyncio.run(both())


def test_what_a_ref_is_pinned_to(repositories, hub, commits):
    first, second = commits
    location = parse_git(hub.url("app"))
    expected = {
        "": second,
        "main": second,
        "HEAD": second,
        "light": first,
        "v1": first,
        "feature/x": first,
        "refs/heads/main": second,
        first: first,
    }
    assert {ref: pin(repositories, replace(location, ref=ref)) for ref in expected} == expected


@pytest.mark.parametrize("ref", ["missing", "x", "ain", "--upload-pack=id", "*"])
def test_a_ref_that_is_not_there(repositories, hub, commits, ref):
    with pytest.raises(FetchError, match=r"has no branch and no tag|cannot fetch"):
        pin(repositories, replace(parse_git(hub.url("app")), ref=ref))


def test_a_checksum_holds_a_moving_name(repositories, hub, commits):
    first, second = commits
    location = replace(parse_git(hub.url("app")), ref="main")
    assert pin(repositories, replace(location, checksum=second[:12])) == second
    with pytest.raises(DigestMismatchError, match=first):
        pin(repositories, replace(location, checksum=first))


@pytest.mark.parametrize("ref", ["main", "v1", "feature/x", None])
def test_the_files_of_a_commit(repositories, hub, commits, ref):
    ref = ref or commits[0]
    done = checkout(repositories, replace(parse_git(hub.url("app")), ref=ref))
    assert (done.root / "a").read_text() == ("2" if ref == "main" else "1")
    assert sorted(path.name for path in done.root.rglob("*")) == ["a", "b", "dir"]


def test_files_depend_on_the_commit_alone(repositories, hub):
    (hub.directory / "app").mkdir()
    hub.git("app", "init", "--quiet")
    (hub.directory / "app/run").write_text("x")
    (hub.directory / "app/run").chmod(0o755)
    (hub.directory / "app/link").symlink_to("nowhere")
    hub.commit("app", dir__file="x")
    before = os.umask(0o077)
    try:
        root = checkout(repositories, parse_git(hub.url("app"))).root
    finally:
        os.umask(before)
    modes = {path.name: path.lstat().st_mode & 0o777 for path in root.rglob("*")}
    assert modes == {"run": 0o755, "dir": 0o755, "file": 0o644, "link": 0o777}
    assert {path.lstat().st_mtime for path in (root, *root.rglob("*"))} == {1_000_000_000}


def test_the_git_directory_can_be_kept_and_holds_no_password(repositories, hub, commits):
    url = hub.url("app").replace("git://", "git://me:secret@")
    root = checkout(repositories, parse_git(hub.url("app")), keep_git_dir=True).root
    assert hub.git(root, "rev-parse", "HEAD") == commits[1]
    assert hub.git(root, "remote", "get-url", "origin") == hub.url("app")
    with pytest.raises(FetchError) as caught:
        checkout(repositories, parse_git(url.replace("127.0.0.1", "no-such-host.invalid")))
    assert "secret" not in str(caught.value)


def test_submodules_come_along_unless_they_are_not_wanted(repositories, hub):
    hub.commit("part", inner="inner")
    hub.commit("app", a="a")
    hub.git(
        "app",
        "-c",
        "protocol.git.allow=always",
        "submodule",
        "add",
        "--quiet",
        hub.url("part"),
        "sub",
    )
    hub.commit("app")
    location = parse_git(hub.url("app"))
    with_them = checkout(repositories, location).root
    assert (with_them / "sub/inner").read_text() == "inner"
    assert not list(with_them.rglob(".git"))
    without = checkout(repositories, replace(location, submodules=False)).root
    assert list((without / "sub").iterdir()) == []


def test_a_submodule_cannot_name_files_of_this_machine(repositories, hub, tmp_path):
    hub.commit("secret", key="key")
    hub.commit("app", a="a")
    hub.git("app", "submodule", "add", "--quiet", str(hub.directory / "secret"), "sub")
    hub.commit("app")
    with pytest.raises(FetchError, match="not allowed"):
        checkout(repositories, parse_git(hub.url("app")))


def test_neither_the_users_configuration_nor_the_repository_has_anything_executed(
    repositories, hub, commits, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    trap = tmp_path / "trapped"
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {trap}\n")
    (hooks / "post-checkout").chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[core]\nhooksPath = {hooks}\n[filter "x"]\nsmudge = touch {trap}; cat\n'
        f'[url "git://127.0.0.1:1/"]\ninsteadOf = {hub.url("")}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    hub.commit("app", **{".gitattributes": "* filter=x\n"})
    checkout(repositories, parse_git(hub.url("app")))
    assert not trap.exists()


def test_a_server_that_is_not_there(repositories):
    with pytest.raises(FetchError, match=r"cannot fetch git://127\.0\.0\.1:1/x") as caught:
        pin(repositories, parse_git("git://127.0.0.1:1/x"))
    assert "git ls-remote" in caught.value.next_command
