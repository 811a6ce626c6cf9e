"""What the machine's serial console says: shown, kept, and understood."""

import re

from system.prove import VERDICT

#: With that the first line of prove.py begins.
_HEADING = "## "

#: What terminals are told, and is nothing to read.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()78][A-Z0-9]?|[\x00-\x08\x0b-\x1f\x7f]")


class Console:
    """Lines as they come; those before the first heading are not of what is proven."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    def hear(self, chunk: bytes) -> None:
        """Take what came, and print whole lines."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = _CONTROL.sub("", line.decode(errors="replace")).rstrip()
            print(text, flush=True)
            if self._lines or text.startswith(_HEADING):
                self._lines.append(text)

    @property
    def proven(self) -> bool:
        """Did it say so, after everything else?"""
        return VERDICT in self._lines

    @property
    def log(self) -> str:
        """From the first heading to the verdict."""
        return "\n".join(self._lines[: self._lines.index(VERDICT) + 1])
