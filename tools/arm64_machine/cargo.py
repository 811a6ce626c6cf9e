"""What is put onto the disk beside Debian: Amphora with all that it needs, and work for it."""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Debian 13's, and where it looks for what is no package of Debian's.
_PYTHON = "3.13"
_PACKAGES = f"usr/local/lib/python{_PYTHON}/dist-packages"


def load(cargo: Path) -> None:
    """Add to a directory, which becomes part of the machine's root.

    The locked packages are fetched for the machine's CPU, and held to the hashes of the lock.
    Nothing of them is executed here.
    """
    packages = cargo / _PACKAGES
    subprocess.run(
        [
            *(ROOT / ".uv/bin/uv", "pip", "install", "--quiet", "--target", packages),
            *("--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock"),
            *("--python-platform", "aarch64-unknown-linux-gnu", "--python-version", _PYTHON),
        ],
        check=True,
    )
    shutil.copytree(ROOT / "src/amphora", packages / "amphora", ignore=_caches)
    for name in ("busybox", "work"):
        shutil.copytree(HERE / name, cargo / "srv" / name)


_caches = shutil.ignore_patterns("__pycache__")
