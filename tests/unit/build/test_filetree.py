"""What COPY sources name, and when their digest changes."""

import os
import socket

import pytest

from amphora.build.filetree import FileTree
from amphora.build.ignore import IgnoreRules


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "context"
    (root / "src/deep").mkdir(parents=True)
    (root / "src/main.c").write_text("main")
    (root / "src/deep/util.c").write_text("util")
    (root / "a.txt").write_text("a")
    (root / "b.txt").write_text("b")
    return root


def found(root, pattern, ignore=""):
    """The sources of a pattern, as {name: [paths of its entries]}."""
    rules = IgnoreRules.parse(ignore)
    tree = FileTree(root, rules.ignores, lambda path: not rules.may_contain_exceptions(path))
    sources = tree.find(pattern)
    return {source.name: [entry.path for entry in source.entries] for source in sources}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.txt", ["a.txt"]),
        ("/a.txt", ["a.txt"]),
        ("./src/../a.txt", ["a.txt"]),
        ("../../a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[b-z].txt", ["b.txt"]),
        ("s*/*.c", ["main.c"]),
        ("*/*/*.c", ["util.c"]),
        ("missing", []),
        ("*.missing", []),
        ("missing/*", []),
        ("a.txt/*", []),
        ("src/*/nothing", []),
    ],
)
def test_patterns(root, pattern, names):
    assert list(found(root, pattern)) == names


def test_a_directory_comes_with_all_that_is_in_it_sorted(root):
    assert found(root, "src") == {"src": ["", "deep", "deep/util.c", "main.c"]}


def test_the_root_itself(root):
    everything = ["", "a.txt", "b.txt", "src", "src/deep", "src/deep/util.c", "src/main.c"]
    assert found(root, ".") == found(root, "/") == {"": everything}


@pytest.mark.parametrize(
    ("ignore", "paths"),
    [
        ("*.txt", ["", "src", "src/deep", "src/deep/util.c", "src/main.c"]),
        ("src", ["", "a.txt", "b.txt"]),
        ("src\n!src/main.c", ["", "a.txt", "b.txt", "src", "src/main.c"]),
        ("*\n!src/deep/util.c", ["", "src", "src/deep", "src/deep/util.c"]),
        ("*\n!src", ["", "src", "src/deep", "src/deep/util.c", "src/main.c"]),
        ("src\n!src/nothing", ["", "a.txt", "b.txt"]),
        ("**/*.c", ["", "a.txt", "b.txt", "src", "src/deep"]),
        ("*", [""]),
    ],
)
def test_what_is_ignored_is_not_there(root, ignore, paths):
    assert found(root, ".", ignore) == {"": paths}


@pytest.mark.parametrize("pattern", ["a.txt", "src", "*", "link"])
def test_a_source_that_is_ignored_altogether_is_not_found(root, pattern):
    (root / "link").symlink_to("b.txt")
    assert found(root, pattern, "*") == {}
    assert found(root, pattern, "a.txt\nsrc\nlink\nb.txt") == {}


def test_an_ignored_link_is_not_found_although_its_target_is(root):
    (root / "link").symlink_to("b.txt")
    assert found(root, "link", "link") == {}
    assert found(root, "link") == {"link": [""]}


def test_an_ignored_directory_is_found_for_its_exceptions(root):
    assert found(root, "src", "src\n!src/main.c") == {"src": ["", "main.c"]}


def test_a_source_that_is_a_link_is_followed_and_keeps_its_name(root):
    (root / "link").symlink_to("src")
    assert found(root, "link") == {"link": ["", "deep", "deep/util.c", "main.c"]}


def test_links_inside_a_directory_stay_links(root):
    (root / "src/link").symlink_to("../a.txt")
    [source] = FileTree(root).find("src")
    assert [entry.path for entry in source.entries if entry.is_link] == ["link"]


@pytest.mark.parametrize("target", ["/outside", "../outside", "../../../outside"])
def test_links_never_lead_out_of_the_root(root, target):
    (root.parent / "outside").write_text("secret")
    (root / "link").symlink_to(target)
    (root / "up").symlink_to("..")
    assert found(root, "link") == {}
    assert found(root, "up/outside") == {}
    assert found(root, "up/*.txt").keys() == {"a.txt", "b.txt"}


def digest(root, *patterns):
    tree = FileTree(root)
    return tree.digest([source for pattern in patterns for source in tree.find(pattern)])


def test_the_digest_does_not_depend_on_times(root):
    before = digest(root, ".")
    for path in (root, root / "src", root / "a.txt"):
        os.utime(path, (1, 1))
    assert digest(root, ".") == before


def test_the_digest_does_not_depend_on_the_order_in_which_files_were_made(root, tmp_path):
    other = tmp_path / "other"
    (other / "src/deep").mkdir(parents=True)
    for name, text in (("b.txt", "b"), ("a.txt", "a"), ("src/main.c", "main")):
        (other / name).write_text(text)
    (other / "src/deep/util.c").write_text("util")
    assert digest(other, ".") == digest(root, ".")


def rename(root):
    (root / "a.txt").rename(root / "c.txt")


def move_text_to_the_next_file(root):
    (root / "a.txt").write_text("")
    (root / "b.txt").write_text("ab")


def add_an_empty_directory(root):
    (root / "empty").mkdir()


def link_instead_of_file(root):
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("b.txt")


def link_elsewhere(root):
    (root / "link").unlink()
    (root / "link").symlink_to("b.txt")


def pipe_instead_of_file(root):
    (root / "a.txt").unlink()
    os.mkfifo(root / "a.txt", 0o644)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.txt").write_text("A"),
        lambda root: (root / "a.txt").chmod(0o755),
        lambda root: (root / "src").chmod(0o700),
        lambda root: (root / "src/deep/util.c").unlink(),
        lambda root: os.setxattr(root / "a.txt", "user.note", b"x"),
        rename,
        move_text_to_the_next_file,
        add_an_empty_directory,
        link_instead_of_file,
        link_elsewhere,
        pipe_instead_of_file,
    ],
)
def test_the_digest_depends_on_all_that_is_copied(root, change):
    (root / "link").symlink_to("a.txt")
    before = digest(root, ".")
    change(root)
    assert digest(root, ".") != before


def test_the_digest_depends_on_the_sources(root):
    digests = [
        digest(root, "a.txt"),
        digest(root, "b.txt"),
        digest(root, "a.txt", "b.txt"),
        digest(root, "b.txt", "a.txt"),
        digest(root),
    ]
    assert len(set(digests)) == len(digests)


def test_the_digest_of_a_link_is_that_of_its_target_under_the_links_name(root):
    (root / "other").mkdir()
    (root / "other/a.txt").symlink_to("../a.txt")
    assert digest(root, "other/a.txt") == digest(root, "a.txt")


def test_sockets_are_entries_without_content(root):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "src/s"))
        [source] = FileTree(root).find("src/s")
    assert not source.entries[0].is_file
    assert FileTree(root).digest([source])


def copied(root, pattern, *excludes, parents=False, ignore=""):
    """The paths that a COPY of this pattern copies; in parentheses those only on the way."""
    rules = IgnoreRules.parse(ignore)
    tree = FileTree(root, rules.ignores, lambda path: not rules.may_contain_exceptions(path))
    find = tree.find_with_parents if parents else tree.find
    sources = find(pattern, IgnoreRules.of(excludes))
    return [
        f"({entry.path})" if entry.on_the_way else entry.path or source.name
        for source in sources
        for entry in source.entries[parents:]
    ]


@pytest.mark.parametrize(
    ("pattern", "excludes", "paths"),
    [
        ("*.txt", ["b*"], ["a.txt"]),
        (".", ["*.txt"], ["", "src", "src/deep", "src/deep/util.c", "src/main.c"]),
        (".", ["**/*.c"], ["", "a.txt", "b.txt", "src", "src/deep"]),
        (".", ["src"], ["", "a.txt", "b.txt"]),
        (".", ["src", "!src/main.c"], ["", "a.txt", "b.txt", "src", "src/main.c"]),
        ("src", ["deep"], ["src", "main.c"]),
        ("src", ["src/deep"], ["src", "deep", "deep/util.c", "main.c"]),
        ("src", ["*.c"], ["src", "deep", "deep/util.c"]),
        ("src/*", ["main.c"], ["deep", "util.c"]),
        ("src/*", ["src/main.c"], ["deep", "util.c"]),
        ("src/*", ["deep"], ["deep", "util.c", "main.c"]),
        ("a.txt", ["*"], []),
    ],
)
def test_excluded_is_what_matches_relative_to_what_is_copied(root, pattern, excludes, paths):
    assert copied(root, pattern, *excludes) == paths


@pytest.mark.parametrize(
    ("pattern", "excludes", "paths"),
    [
        ("src/deep/util.c", [], ["(src)", "(src/deep)", "src/deep/util.c"]),
        ("src", [], ["src", "src/deep", "src/deep/util.c", "src/main.c"]),
        ("src/./deep/util.c", [], ["(deep)", "deep/util.c"]),
        ("./src/./deep", [], ["deep", "deep/util.c"]),
        ("s*/./deep", [], ["deep", "deep/util.c"]),
        ("/src/main.c", [], ["(src)", "src/main.c"]),
        ("*.txt", [], ["a.txt", "b.txt"]),
        ("**/*.c", [], ["(src)", "(src/deep)", "src/deep/util.c", "src/main.c"]),
        ("src/*/*.c", [], ["(src)", "(src/deep)", "src/deep/util.c"]),
        ("./src/./**/*.c", ["main.c"], ["(deep)", "deep/util.c"]),
        ("**/*.c", ["**/util.c"], ["(src)", "src/main.c"]),
        (".", ["src"], ["a.txt", "b.txt"]),
        ("!a.txt", [], []),
        ("missing", [], []),
        ("missing/./x", [], []),
        ("a.txt/x", [], []),
        ("link/main.c", [], []),
        ("link/./main.c", [], ["main.c"]),
        ("link", [], ["link"]),
    ],
)
def test_parents_come_along_behind_the_pivot(root, pattern, excludes, paths):
    if pattern.startswith("link"):
        (root / "link").symlink_to("src")
    assert copied(root, pattern, *excludes, parents=True) == paths


def test_parents_of_what_is_ignored(root):
    assert copied(root, "src", parents=True, ignore="src\n!src/main.c") == ["(src)", "src/main.c"]
    assert copied(root, "src/deep", parents=True, ignore="src\n!src/main.c") == []
    assert copied(root, "a.txt", parents=True, ignore="*.txt") == []


def test_a_file_is_read_once_unless_it_changes(root):
    tree, path = FileTree(root), root / "a.txt"
    before, status = tree.digest(tree.find("a.txt")), path.stat()
    kept = path.rename(root / "kept")
    assert tree.hashes.of(path, status) == tree.hashes.of(kept, status)
    kept.write_text("b")
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    kept.rename(path)
    assert tree.digest(tree.find("a.txt")) != before


def test_owners_count_where_they_are_kept(root):
    tree = FileTree(root)
    sources = tree.find("a.txt")
    assert tree.digest(sources) != tree.digest(sources, owners=True)
