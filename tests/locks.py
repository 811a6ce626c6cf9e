"""Locks as the kernel sees them, for tests of those that wait for one."""

import time
from pathlib import Path


def until_waited_for(lock):
    """Return when somebody waits for the lock on a file; see proc_locks(5)."""
    inode = f":{lock.stat().st_ino} "
    while not any("->" in line and inode in line for line in _locks()):
        time.sleep(0.01)


def _locks():
    return Path("/proc/locks").read_text().splitlines()
