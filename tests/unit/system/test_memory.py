"""Directories for as long as somebody needs them."""

import shutil

from amphora.system.memory import scratch_directory


def test_what_somebody_else_removed_is_not_missed(tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    with scratch_directory(parent) as area:
        (area / "file").touch()
        shutil.rmtree(parent)
    assert list(tmp_path.iterdir()) == []
