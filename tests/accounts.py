"""Ordinary users: who they are, and the program run by one."""

import grp
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

NEW_USER = "amphora-test"
_IMPORT = """
import pathlib, sys
from amphora.oci.archive import import_archive
from amphora.oci.store import Store
with open(sys.argv[2], "rb") as archive:
    import_archive(Store(pathlib.Path(sys.argv[1])), archive)
"""


def subordinate_ranges(name, kind):
    lines = Path(f"/etc/sub{kind}").read_text().split()
    fields = [line.split(":") for line in lines]
    return [range(int(start), int(start) + int(n)) for owner, start, n in fields if owner == name]


@pytest.fixture(scope="session")
def user():
    """An ordinary user with subordinate IDs: one that is there, or one for these tests."""
    for entry in pwd.getpwall():
        if entry.pw_uid >= 1000 and all(
            subordinate_ranges(entry.pw_name, k) for k in ("uid", "gid")
        ):
            yield entry
            return
    subprocess.run(["useradd", "--create-home", NEW_USER], check=True)
    try:
        yield pwd.getpwnam(NEW_USER)
    finally:
        subprocess.run(["userdel", "--remove", NEW_USER], check=True, capture_output=True)


@pytest.fixture
def home(user):
    """A directory of the user's own, which it can get to."""
    with tempfile.TemporaryDirectory(prefix="amphora-user-", dir="/var/tmp") as name:
        shutil.chown(name, user.pw_uid, user.pw_gid)
        yield Path(name)


@pytest.fixture
def started_by_user(amphora, user, home):
    """The program run by an ordinary user, with what an archive holds in its store."""
    group = grp.getgrgid(user.pw_gid).gr_name
    prefix = ("setpriv", f"--reuid={user.pw_name}", f"--regid={group}", "--init-groups")
    program = replace(amphora, home=home, prefix=prefix)
    readable = subprocess.run(program.command("--version"), check=False, capture_output=True)
    if readable.returncode != 0:
        pytest.skip(f"{user.pw_name} cannot run {program.command()[-1]}")

    def with_images(archive):
        copy = shutil.copy(archive, home / archive.name)
        subprocess.run(
            [*prefix, sys.executable, "-c", _IMPORT, program.store, copy],
            env=program.environ(),
            check=True,
        )
        return program

    return with_images
