"""Crashes in QEMU, told by what it writes and by exit statuses."""

import pytest

from amphora.core.platform import Platform
from amphora.emulation.crash import Witness, crash_sign, describe_crash

ARM64 = Platform.parse("linux/arm64")


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        (b"qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n", "SIGSEGV"),
        (b"checking ... qemu: uncaught target signal 4 (Illegal instruction) -\n", "SIGILL"),
        (b"QEMU internal SIGSEGV {code=MAPERR, addr=0x20}\n", "SIGSEGV"),
        (b"said\nqemu: unhandled CPU exception 0x5 - aborting\n", "an error of its own"),
        (b"**\nERROR:x.c\nBail out! ERROR:../tcg/tcg.c:1: no\n", "an error of its own"),
        # Somebody asked for these; and this is only quoted.
        (b"qemu: uncaught target signal 3 (Quit) - core dumped\n", ""),
        (b"qemu: uncaught target signal 99 (What)\n", ""),
        (b"grep 'Bail out! ERROR:'\n", ""),
        (b"", ""),
    ],
)
def test_what_qemu_writes(text, sign):
    """However it comes: all at once, or byte by byte."""
    whole, pieces = Witness(), Witness()
    whole.hear(text)
    for byte in text:
        pieces.hear(bytes([byte]))
    assert (whole.sign, pieces.sign) == (sign, sign)


@pytest.mark.parametrize(
    ("status", "sign"),
    [(139, "SIGSEGV"), (132, "SIGILL"), (134, "SIGABRT"), (1, ""), (137, ""), (143, ""), (0, "")],
)
def test_exit_statuses(status, sign):
    assert crash_sign(status, Witness()) == sign
    assert crash_sign(status, Witness("SIGBUS")) == "SIGBUS"


def test_what_is_known_of_a_version_is_said():
    told = describe_crash("SIGSEGV", "qemu-aarch64 9.2.0", ARM64, "/sbin/ldconfig")
    assert told[0].startswith("/sbin/ldconfig died of SIGSEGV in qemu-aarch64 9.2.0")
    assert any("ldconfig of Ubuntu 22.04 crashes" in each and "https://" in each for each in told)
    assert len(describe_crash("SIGSEGV", "qemu-aarch64 1.0", ARM64, "")) == 1
    assert len(describe_crash("SIGSEGV", "the host's qemu-aarch64", ARM64, "")) == 1
