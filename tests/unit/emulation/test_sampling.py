"""Seconds in QEMU, looked at: real processes whose executable is called as a grafted one is."""

import asyncio
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import wait_until

from amphora.emulation.account import Account
from amphora.emulation.graft import SHOWN_AS
from amphora.emulation.sampling import Sampler, sampled

ROOT = Path("/")
BUSY = "while :; do :; done"


@contextmanager
def emulated(script, name=None):
    """A shell that takes itself for QEMU; its program is called `-c`."""
    descriptor = os.memfd_create(name or SHOWN_AS.removeprefix("/memfd:"))
    os.write(descriptor, Path("/bin/sh").read_bytes())
    shell = f"/proc/self/fd/{descriptor}"
    given = {"pass_fds": [descriptor], "stdin": subprocess.PIPE}
    with subprocess.Popen([shell, "-c", script], **given) as process:
        os.close(descriptor)
        try:
            yield process
        finally:
            process.kill()


def used(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def wait_until_used(process, seconds):
    wait_until(lambda: used(process) >= seconds)


def test_a_new_process_counts_as_if_it_had_run_all_the_while():
    account = Account()
    sampler = Sampler(ROOT, account)
    with emulated(BUSY) as process:
        wait_until_used(process, 0.05)
        sampler.look(7.0)
        assert account.seconds == {"-c": 7.0}
        before = used(process)
        wait_until_used(process, before + 0.1)
        sampler.look(1000.0)
        assert 7.05 < account.seconds["-c"] <= 7.0 + used(process)


def test_what_waits_takes_nothing():
    account = Account()
    with emulated("read line; exit") as process:
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: "S (sleeping)" in status.read_text())
        Sampler(ROOT, account).look(7.0)
    assert account.seconds == {}


@pytest.mark.parametrize("foreign", ["executable", "root"])
def test_processes_of_others_do_not_count(foreign):
    """Native ones, and those of another image."""
    account = Account()
    name = "other" if foreign == "executable" else None
    image = Path("/proc") if foreign == "root" else ROOT
    with emulated(BUSY, name) as process:
        wait_until_used(process, 0.05)
        Sampler(image, account).look(7.0)
    assert account.seconds == {}


def test_it_looks_again_and_again_until_the_end():
    account = Account()

    async def watch():
        async with asyncio.timeout(60), sampled(ROOT, account):
            with emulated(BUSY):
                while account.seconds.get("-c", 0) < 0.5:
                    await asyncio.sleep(0.01)

    asyncio.run(watch())
    assert list(account.seconds) == ["-c"]
