"""Locks as the kernel sees them, for tests of those that wait for one."""

from pathlib import Path

from waiting import wait_until


def until_waited_for(lock):
    """Return when somebody waits for the lock on a file; see proc_locks(5)."""
    inode = f":{lock.stat().st_ino} "
    wait_until(lambda: any("->" in line and inode in line for line in _locks()))


def _locks():
    return Path("/proc/locks").read_text().splitlines()
