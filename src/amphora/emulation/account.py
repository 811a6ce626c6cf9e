"""What was executed, and where: the account that handoff keeps."""

from collections import Counter
from pathlib import Path

from msgspec import Struct, field

#: How many programs a summary names.
_NAMED = 5

#: A hundred times what a large build logs; what a flood leaves behind it is not read.
_MOST_READ = 64 << 20
_LONGEST_LINE = 512

#: The end of a longer path is what the log has (LONGEST_NAME in native/handoff.c).
_LONGEST_NAME = 255

#: Below that many seconds a guess is noise.
_WORTH_SAYING = 0.1

#: How many different paths an account holds; the rest are counted together.
_MOST_NAMES = 10_000
_OTHERS = "others"


class Account(Struct):
    """How often each program was executed, by path: handed off, and in the emulator.

    `seconds` is about how long those in the emulator took of the CPU. `other_revisions` are
    the packages, with both versions, of counterparts that were offered although they are of
    another revision. `last_emulated` is the path of the last one that the emulator was given.
    """

    handed_off: Counter[str] = field(default_factory=Counter)
    emulated: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    other_revisions: set[str] = field(default_factory=set)
    last_emulated: str = ""

    def read(self, log: Path) -> None:
        """Count the lines of a log.

        Any program of the step can write into it, whatever and as much as it likes.
        """
        with log.open("rb") as file:
            while file.tell() < _MOST_READ and (line := file.readline(_LONGEST_LINE)):
                self.count(line[:1], line[1:].decode(errors="replace").removesuffix("\n"))

    def count(self, kind: bytes, path: str) -> None:
        """One line of the log: N(ative), Q(EMU), or R(efused) after an N for the same path."""
        name = _shown(path)
        counted = self.emulated if kind == b"Q" else self.handed_off
        full = len(self.handed_off) + len(self.emulated) >= _MOST_NAMES
        if full and name not in counted:
            name = _OTHERS
        if kind == b"Q":
            self.last_emulated = name
        if kind in {b"N", b"Q"}:
            counted[name] += 1
        elif kind == b"R" and counted[name] > 1:
            counted[name] -= 1
        elif kind == b"R":
            counted.pop(name, None)

    def spend(self, path: bytes, seconds: float) -> None:
        """Add to what a program took, as it was executed: the log has the end of a long path."""
        name = _shown(path[-_LONGEST_NAME:].decode(errors="replace"))
        if name not in self.seconds and len(self.seconds) >= _MOST_NAMES:
            name = _OTHERS
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def share(self) -> float:
        """The part of all executions that was handed off, from 0 to 1."""
        total = self.handed_off.total() + self.emulated.total()
        return self.handed_off.total() / total if total else 0.0

    @property
    def summary(self) -> str:
        """One line: `98% of 2618 programs handed off; emulated: ./conftest 30 ≈ 2.1 s, uname 9`.

        What took longest comes first, and the sum last.
        """
        total = self.handed_off.total() + self.emulated.total()
        line = f"{self.share:.0%} of {total} programs handed off"
        if self.emulated:
            most = sorted(self.emulated.items(), key=self._cost, reverse=True)[:_NAMED]
            line += "; emulated: " + ", ".join(self._named(path, count) for path, count in most)
        seconds = sum(self.seconds.values())
        return f"{line}; ≈ {seconds:.1f} s of CPU in QEMU" if seconds >= _WORTH_SAYING else line

    def _cost(self, item: tuple[str, int]) -> tuple[float, int]:
        path, count = item
        return self.seconds.get(path, 0.0), count

    def _named(self, path: str, count: int) -> str:
        seconds = self.seconds.get(path, 0.0)
        return (
            f"{path} {count} ≈ {seconds:.1f} s" if seconds >= _WORTH_SAYING else f"{path} {count}"
        )


def _shown(path: str) -> str:
    """Fit for a terminal, whatever whoever wrote it had in mind."""
    return "".join(letter if letter.isprintable() else "?" for letter in path)
