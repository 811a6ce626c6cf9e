"""Paths below a root: as a chrooted process would see them, and never outside."""

import errno
import os
import socket
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amphora.system.roots import read_in_root, resolve_in_root


@pytest.fixture
def root(tmp_path):
    """A tree whose links all try to leave it; beside it a file that must not be reached."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/sh").write_text("inside")
    for link, target in {
        "bin": "usr/bin",
        "absolute": "/usr/bin/sh",
        "climber": "../../../../usr/bin/../../../secret",
        "outside": str(tmp_path / "secret"),
        "usr/up": "..",
        "dangling": "/no/such",
        "loop": "loop",
        "ping": "pong",
        "pong": "/ping",
        "chain": "usr/up/usr/up/bin/sh",
    }.items():
        (root / link).symlink_to(target)
    return root


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("", ""),
        ("/", ""),
        (".", ""),
        ("..", ""),
        ("../../..", ""),
        ("/../secret", "secret"),
        ("usr//bin/./sh", "usr/bin/sh"),
        ("/bin/sh", "usr/bin/sh"),
        ("bin/../../secret", "secret"),
        ("absolute", "usr/bin/sh"),
        ("climber", "secret"),
        ("usr/up/usr/bin", "usr/bin"),
        ("usr/up/..", ""),
        ("chain", "usr/bin/sh"),
        ("dangling", "no/such"),
        ("dangling/deeper", "no/such/deeper"),
        ("missing/../usr", "usr"),
        ("nul\0byte", "nul\0byte"),
    ],
)
def test_paths_resolve_as_in_a_chroot(root, path, real):
    assert resolve_in_root(root, path) == root / real


def test_absolute_links_mean_the_root_and_not_the_host(root, tmp_path):
    assert resolve_in_root(root, "outside") == root / str(tmp_path / "secret")[1:]
    assert read_in_root(root, "outside") is None
    assert read_in_root(root, "climber") is None


def test_the_last_link_is_followed_only_on_demand(root):
    assert resolve_in_root(root, "absolute", follow_last=False) == root / "absolute"
    assert resolve_in_root(root, "bin/sh", follow_last=False) == root / "usr/bin/sh"


@pytest.mark.parametrize("path", ["loop", "ping", "loop/deeper"])
def test_circular_links_are_an_error(root, path):
    with pytest.raises(OSError) as caught:
        resolve_in_root(root, path)
    assert caught.value.errno == errno.ELOOP
    assert read_in_root(root, path) is None


def test_forty_links_are_followed_and_one_more_is_not(root):
    for number in range(41):
        (root / f"link{number}").symlink_to(f"link{number + 1}")
    assert resolve_in_root(root, "link1") == root / "link41"
    with pytest.raises(OSError):
        resolve_in_root(root, "link0")


def test_regular_files_are_read_up_to_the_limit(root):
    assert read_in_root(root, "/bin/sh") == b"inside"
    assert read_in_root(root, "/bin/sh", 2) == b"in"
    assert read_in_root(root, "missing") is None
    assert read_in_root(root, "nul\0byte") is None
    assert read_in_root(root, "\ud800") is None
    assert read_in_root(root, "a" * 5000) is None


def test_what_is_no_regular_file_is_not_opened(root):
    os.mkfifo(root / "fifo")  # Opening it would wait for ever.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
        for path in ("fifo", "socket", "usr"):
            assert read_in_root(root, path) is None
    (root / "tty").symlink_to("/dev/zero")
    assert read_in_root(root, "tty") is None


NAMES = st.sampled_from(["a", "b", "c", "..", ".", ""])
PATHS = st.builds(
    "{}{}".format, st.sampled_from(["", "/"]), st.lists(NAMES, max_size=6).map("/".join)
)


@given(links=st.dictionaries(st.sampled_from(["a", "b", "c"]), PATHS, max_size=3), path=PATHS)
def test_the_result_is_always_below_the_root_and_has_no_links(tmp_path_factory, links, path):
    root = tmp_path_factory.mktemp("tree")
    (root / "a").mkdir()
    for name, target in links.items():
        place = root / ("a" if name != "a" else "") / name
        if target and not place.is_symlink() and not place.exists():
            place.symlink_to(target)
    try:
        real = resolve_in_root(root, path)
    except OSError:
        assume(False)  # Circular; what that is has a test of its own.
    assert ".." not in real.parts
    assert real.is_relative_to(root)
    assert Path(os.path.realpath(real)) == real
