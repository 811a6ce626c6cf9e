"""The room that files take, as du(1) has it."""

import os
import subprocess

from amphora.system.usage import disk_usage, free_space


def test_it_is_what_du_says(tmp_path):
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/file").write_bytes(os.urandom(100_000))
    (tree / "a/b/again").hardlink_to(tree / "a/file")
    (tree / "link").symlink_to(tmp_path)
    with (tree / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "outside").write_bytes(bytes(1 << 20))
    said = subprocess.check_output(["du", "-s", "--block-size=1", tree], text=True)
    assert disk_usage(tree) == int(said.split()[0])
    assert 100_000 < disk_usage(tree) < 200_000


def test_what_is_not_there_takes_nothing(tmp_path):
    assert disk_usage(tmp_path / "none") == 0
    assert free_space(tmp_path) > 0
