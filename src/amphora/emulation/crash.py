"""Telling a crash in QEMU from any other failure, and what to say of it.

QEMU writes a line when a program dies of a signal in it, or when it gives up itself
(`linux-user/signal.c` in its source; GLib's assertions). A shell or make in between turns that
into an exit status of its own; so both are looked at, the words and the status.
"""

import re
import signal
from collections.abc import Sequence

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.emulation.host.defects import defects_of

#: Signals that a program gets for what it did; others are sent by somebody.
_FAULTS = (
    *(signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS),
)
_BY_STATUS = {128 + number: number.name for number in _FAULTS}

_UNCAUGHT = re.compile(rb"qemu: uncaught target signal (\d{1,2}) ")
_INTERNAL = re.compile(
    rb"QEMU internal (SIG[A-Z]{2,5})|^(?:qemu: unhandled CPU exception|Bail out! ERROR:)",
    re.MULTILINE,
)

#: What of the output is kept for a line that comes in two pieces.
_LONGEST_LINE = 200


class Witness(Struct):
    """Hears what programs in QEMU write; `sign` is the name of the last signal, or "an error"."""

    sign: str = ""
    _rest: bytes = b""

    def hear(self, chunk: bytes) -> None:
        text = self._rest + chunk
        self._rest = text[-_LONGEST_LINE:]
        for match in _UNCAUGHT.finditer(text):
            self.sign = fault(int(match[1])) or self.sign
        for match in _INTERNAL.finditer(text):
            self.sign = match[1].decode() if match[1] else "an error of its own"


def crash_sign(status: int, witness: Witness) -> str:
    """What QEMU died of, by the exit status and the words of what ran; empty if it did not."""
    return witness.sign or _BY_STATUS.get(status, "")


def describe_crash(sign: str, emulator: str, platform: Platform, program: str) -> Sequence[str]:
    """What to say of it: who died of what, and what others have seen of this emulator.

    `emulator` is its name and version: `qemu-aarch64 7.2.22`; `program` may be empty.
    """
    who = program or "a program of it"
    defects = defects_of(platform, emulator.rpartition(" ")[2])
    return [
        f"{who} died of {sign} in {emulator}, which may be the emulator's fault",
        *(f"known of this version: {each.what} ({each.reference})" for each in defects),
    ]


def fault(number: int) -> str:
    """The name of a signal that a program gets for what it did; empty for any other.

    These numbers are the same on all CPUs, but for SIGBUS and SIGSYS on MIPS.
    """
    return _BY_STATUS.get(128 + number, "")
