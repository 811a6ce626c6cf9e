"""Programs that read what we write."""

import os

import pytest

from amphora.core.errors import ToolFailedError
from amphora.system.process import fed


def test_what_is_written_is_its_standard_input(tmp_path):
    with fed(["tee", str(tmp_path / "copy")]) as pipe:
        os.write(pipe, b"some bytes")
    assert (tmp_path / "copy").read_bytes() == b"some bytes"


def test_why_it_failed_is_told():
    with (
        pytest.raises(ToolFailedError, match="status 3: the reason"),
        fed(["sh", "-c", "cat > /dev/null; echo the reason >&2; exit 3"]) as pipe,
    ):
        os.write(pipe, b"some bytes")


def test_what_is_raised_inside_counts_for_more(tmp_path):
    with (
        pytest.raises(KeyError),
        fed(["sh", "-c", f"cat > {tmp_path}/copy; exit 3"]),
    ):
        raise KeyError
    assert (tmp_path / "copy").read_bytes() == b""


def test_it_gets_the_environment_it_needs(tmp_path):
    with fed(["sh", "-c", f'echo "$WANTED" > {tmp_path}/said'], extra_environment={"WANTED": "x"}):
        pass
    assert (tmp_path / "said").read_text() == "x\n"
