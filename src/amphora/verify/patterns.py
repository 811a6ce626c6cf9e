"""Regular expressions of strangers: looked for in bounded time.

A test file may come with an image, and an expression can be written so that it never ends.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from amphora.core.errors import VerificationError

#: Seconds; an honest expression takes none of them.
_LONGEST = 5.0


class _TooLongError(Exception):
    pass


def found_in(pattern: re.Pattern[str], text: str) -> bool:
    """Does it match anywhere in a text?

    Only in the main thread. Raises VerificationError if that takes longer than it may.
    """
    try:
        with _alarm():
            return pattern.search(text) is not None
    except _TooLongError:
        raise VerificationError(
            f"{pattern.pattern[:100]!r} is not looked for any more",
            why=f"that takes longer than {_LONGEST:g} s",
            next_command="write an expression without repetitions in repetitions",
        ) from None


@contextmanager
def _alarm() -> Iterator[None]:
    """The search of `re` looks for signals while it runs."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
