"""Downloads from a real server: once, again only if changed, and never the wrong file."""

import asyncio
import hashlib
import os

import pytest

from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, FetchError
from amphora.remote.download import Downloads, forget_downloads, kept_downloads

DATE = "Sun, 09 Sep 2001 01:46:40 GMT"
CONTENT = b"content\n" * 100_000
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def downloads(tmp_path):
    work = tmp_path / "store/work"
    work.mkdir(parents=True)
    return Downloads(tmp_path / "store", work)


def fetch(downloads, url, checksum=None):
    return asyncio.run(downloads.fetch(url, checksum))


def left_over(tmp_path):
    return list((tmp_path / "store/work").iterdir())


def test_a_file_is_fetched_with_its_time(downloads, web, page, tmp_path):
    web.pages["/file"] = page(CONTENT, headers={"Last-Modified": DATE})
    download = fetch(downloads, web.url("/file"))
    assert download.path.read_bytes() == CONTENT
    assert (download.digest, download.modified) == (DIGEST, 1_000_000_000)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 01 Jan 1903 00:00:00 GMT"])
def test_without_a_time_it_is_unknown(downloads, web, page, date):
    web.pages["/file"] = page(b"x", headers={"Last-Modified": date} if date else {})
    assert fetch(downloads, web.url("/file")).modified == 0


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"Last-Modified": DATE}])
def test_what_did_not_change_is_not_sent_again(downloads, web, page, headers):
    web.pages["/file"] = page(CONTENT, headers=headers)
    first = fetch(downloads, web.url("/file"))
    first.path.write_bytes(b"told apart")
    again = fetch(downloads, web.url("/file"))
    assert again == first
    assert again.path.read_bytes() == b"told apart"
    web.pages["/file"] = page(b"new", headers={"ETag": '"2"'})
    assert fetch(downloads, web.url("/file")).digest == Digest.of(b"new")


def test_without_a_validator_it_is_fetched_again(downloads, web, page):
    web.pages["/file"] = page(b"old")
    assert fetch(downloads, web.url("/file")).digest == Digest.of(b"old")
    web.pages["/file"] = page(b"new")
    assert fetch(downloads, web.url("/file")).digest == Digest.of(b"new")


def test_with_the_right_checksum_nobody_is_asked_twice(downloads, web, page):
    web.pages["/file"] = page(CONTENT)
    for _ in range(2):
        assert fetch(downloads, web.url("/file"), DIGEST).digest == DIGEST
    assert len(web.asked) == 1


def test_a_checksum_of_another_kind_counts_too(downloads, web, page):
    web.pages["/file"] = page(CONTENT, headers={"ETag": '"1"'})
    sha512 = Digest("sha512", hashlib.sha512(CONTENT).hexdigest())
    fetch(downloads, web.url("/file"))
    assert fetch(downloads, web.url("/file"), sha512).digest == sha512


@pytest.mark.parametrize("known", [False, True])
def test_the_wrong_file_is_refused_and_not_kept(downloads, web, page, known, tmp_path):
    web.pages["/file"] = page(CONTENT, headers={"ETag": '"1"'})
    if known:
        fetch(downloads, web.url("/file"))
    with pytest.raises(DigestMismatchError, match=str(DIGEST)):
        fetch(downloads, web.url("/file"), Digest.of(b"other"))
    assert left_over(tmp_path) == []
    assert len(list((tmp_path / "store").rglob("sha256-*"))) == known


def test_redirects_are_followed_but_not_for_ever(downloads, web, page):
    web.pages["/file"] = page(b"x")
    web.pages["/a"] = page(status=302, headers={"Location": "b"})
    web.pages["/b"] = page(status=308, headers={"Location": web.url("/file")})
    web.pages["/loop"] = page(status=301, headers={"Location": "/loop"})
    assert fetch(downloads, web.url("/a")).digest == Digest.of(b"x")
    with pytest.raises(FetchError, match="redirected us more than 10 times"):
        fetch(downloads, web.url("/loop"))


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "ftp://host/x"])
def test_a_redirect_to_elsewhere_than_http_is_refused(downloads, web, page, location):
    web.pages["/a"] = page(status=302, headers={"Location": location})
    with pytest.raises(FetchError, match="redirects to what is no HTTP URL"):
        fetch(downloads, web.url("/a"))


@pytest.mark.parametrize(
    ("status", "hint"), [(404, "correct the URL"), (403, "HTTP_AUTH_TOKEN_"), (500, "later")]
)
def test_a_refusal_says_what_to_do(downloads, web, page, status, hint):
    web.pages["/file?key=xyzzy"] = page(status=status)
    with pytest.raises(FetchError, match=f"answered {status}") as caught:
        fetch(downloads, web.url("/file?key=xyzzy"))
    assert hint in caught.value.next_command
    assert "xyzzy" not in str(caught.value) + caught.value.next_command


def test_half_a_file_is_no_file(downloads, web, page, tmp_path):
    web.pages["/file"] = page(CONTENT, cut=True)
    with pytest.raises(FetchError, match="connection failed"):
        fetch(downloads, web.url("/file"))
    assert len(web.asked) == 3
    assert left_over(tmp_path) == []


def test_a_host_that_does_not_exist(downloads):
    with pytest.raises(FetchError, match="name of its host is not known"):
        fetch(downloads, "http://no-such-host.invalid/file")


def test_a_port_where_nobody_listens(downloads, web):
    with pytest.raises(FetchError, match="connection failed"):
        fetch(downloads, "http://127.0.0.1:1/file")


def test_a_proxy_is_used(downloads, web, page, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url(""))
    web.pages["http://far.invalid/file"] = page(b"by proxy")
    assert fetch(downloads, "http://far.invalid/file").path.read_bytes() == b"by proxy"


def test_what_was_fetched_can_be_forgotten(downloads, web, page, tmp_path):
    web.pages["/file"] = page(b"x", headers={"ETag": '"1"'})
    fetch(downloads, web.url("/file"))
    forget_downloads(tmp_path / "store")
    assert not (tmp_path / "store/remote").exists()
    assert fetch(downloads, web.url("/file")).path.read_bytes() == b"x"


def test_what_was_fetched_is_listed_without_secrets_and_forgotten_by_name(
    downloads, web, page, tmp_path
):
    root = tmp_path / "store"
    web.pages["/one"] = page(b"same", headers={"ETag": '"1"'})
    web.pages["/two?token=secret"] = page(b"same")
    fetch(downloads, web.url("/one"))
    fetch(downloads, web.url("/two?token=secret"))
    for record in (root / "remote/records").iterdir():
        os.utime(record, (1, 1))
    fetch(downloads, web.url("/one"))  # unchanged, but used
    two, one = sorted(kept_downloads(root), key=lambda kept: kept.used)
    assert (one.shown, two.shown) == (web.url("/one"), web.url("/two"))
    assert (one.size, two.used, one.used > 1, one.path == two.path) == (4, 1, True, True)
    forget_downloads(root, [one.name])
    assert [kept.name for kept in kept_downloads(root)] == [two.name]
    assert two.path.exists()
    forget_downloads(root, [two.name])
    assert kept_downloads(root) == []
    assert not two.path.exists()
