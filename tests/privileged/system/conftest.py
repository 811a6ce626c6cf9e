"""An ordinary user with subordinate IDs, and Python programs that run as one."""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

NAME = "amphora-test"


@dataclass(frozen=True)
class Ordinary:
    """A login without privileges; a command after `prefix` runs as it."""

    name: str
    uid: int
    gid: int

    @property
    def prefix(self):
        return ("setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")


def with_subordinate_ids():
    lines = [Path(f"/etc/sub{kind}").read_text().splitlines() for kind in ("uid", "gid")]
    owners = set.intersection(*({line.split(":")[0] for line in kind} for kind in lines))
    for entry in pwd.getpwall():
        if entry.pw_uid and {entry.pw_name, str(entry.pw_uid)} & owners:
            return Ordinary(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return None


@pytest.fixture(scope="session")
def ordinary():
    """A user of this machine with subordinate IDs; made for the tests if there is none."""
    if os.geteuid() != 0:
        yield Ordinary(pwd.getpwuid(os.getuid()).pw_name, os.getuid(), os.getgid())
        return
    found = with_subordinate_ids()
    if found is not None:
        yield found
        return
    subprocess.run(["useradd", "--no-create-home", NAME], check=True)
    try:
        yield with_subordinate_ids()
    finally:
        subprocess.run(["userdel", NAME], check=True)


@pytest.fixture
def python(tmp_path):
    """Start a Python program; it is over when the test is."""
    processes = []

    def start(text, *, prefix=()):
        command = [*prefix, sys.executable, "-W", "error", "-c", text]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()
