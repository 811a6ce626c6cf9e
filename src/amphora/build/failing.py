"""Why a RUN failed: by itself, or because the emulator of its CPU crashed."""

from msgspec import Struct

from amphora.core.errors import EmulatorCrashError, StepFailedError
from amphora.core.platform import Platform
from amphora.emulation.account import Account
from amphora.emulation.crash import Witness, crash_sign, describe_crash, fault
from amphora.emulation.support import Execution
from amphora.runtime.crash import Crash


class Ending(Struct):
    """How the command of a RUN ended: what it said of the emulator, what was seen of it.

    `starved` is the title of the control group that had no more memory for it.
    """

    witness: Witness
    status: int = 0
    crash: Crash | None = None
    starved: str = ""

    def note_crash(self, crash: Crash) -> None:
        self.crash = crash

    def note_starved(self, title: str) -> None:
        self.starved = title


def run_failed(
    title: str, execution: Execution, ending: Ending, account: Account | None
) -> StepFailedError:
    """The error for a RUN; `account` is that of what handoff did, if it was tried."""
    what, emulator = f"{title} failed on {execution.platform}", execution.emulator
    if ending.starved:
        return StepFailedError(
            what,
            why=starved(ending),
            next_command="have it take less (fewer jobs side by side), or give it more: "
            "amphora builder inspect shows what a builder has",
        )
    sign = crash_sign(ending.status, ending.witness if emulator else Witness())
    if ending.crash is not None:
        sign = fault(ending.crash.number)
    if emulator and sign:
        return EmulatorCrashError(
            what,
            why=_crashed(emulator, sign, execution.platform, ending, account),
            next_command="try it again, without handoff: --retry-emulated; to see what else this "
            "emulator cannot do: amphora emulator verify --deep",
        )
    return StepFailedError(
        what,
        why=f"its command died of {sign}"
        if sign
        else f"its command exited with status {ending.status}",
        next_command=f"read its output above; to try it alone: --platform {execution.platform}",
    )


def starved(ending: Ending) -> str:
    """What is to be said if it was."""
    return f"the kernel killed a program of it for want of memory: {ending.starved}"


def still_crashes(error: EmulatorCrashError, retries: int) -> EmulatorCrashError:
    """The error for a RUN that was tried again in vain."""
    return EmulatorCrashError(
        error.what,
        why=f"{error.why}; it was tried {retries + 1} times",
        next_command="install another version of QEMU's user mode; "
        "to see what one cannot do: amphora emulator verify --deep",
    )


def _crashed(
    emulator: str, sign: str, platform: Platform, ending: Ending, account: Account | None
) -> str:
    program = ending.crash.program if ending.crash else ""
    described = list(describe_crash(sign, emulator, platform, program))
    if not program and account is not None and account.last_emulated:
        described.insert(1, f"the last that the emulator was given is {account.last_emulated}")
    if not program and not ending.witness.sign and account is not None and account.handed_off:
        described.insert(1, "but QEMU said nothing of it, and it may be one that was handed off")
    return "; ".join([f"its command exited with status {ending.status}", *described])
