"""The house itself: floors, types and style are tests like any other."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ("lint-imports", "--no-cache"),
        ("mypy",),
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
    ],
    ids=["floors", "types", "style", "format"],
)
def test_the_house_is_in_order(command):
    name, *arguments = command
    done = subprocess.run(
        [TOOLS / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_floors_forbid_what_they_should(tmp_path):
    """A room that imports its neighbour is caught: the contract is not empty."""
    package = tmp_path / "src"
    subprocess.run(["cp", "-r", ROOT / "src", package], check=True)
    (package / "amphora/verify/lean_to.py").write_text("from amphora.build import request\n")
    done = subprocess.run(
        [TOOLS / "lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package), "PATH": str(TOOLS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "amphora.verify is not allowed to import amphora.build" in done.stdout
