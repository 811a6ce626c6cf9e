"""One entry of binfmt_misc: read from the kernel's file, and written as the kernel takes it.

https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from amphora.emulation.binfmt import escaped
from amphora.emulation.formats import matches

#: Names of our entries; nobody else's start like this.
PREFIX = "amphora-"
#: Names of entries on trial; one that is still there is what a killed run has left.
TRIAL = f"{PREFIX}trial-"

#: What may stand between fields: the first letter of a line says which it is. (Not `;`: systemd
#: takes such a line for a comment.)
_DELIMITERS = ":|,+"

_LONGEST_LINE = 1920
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


class Entry(Struct, frozen=True):
    """`magic` under `mask` at `offset`, or an `extension`, is given to `interpreter`.

    `registered` is when the kernel made it, in nanoseconds since 1970.
    """

    name: str
    interpreter: str
    flags: str
    magic: bytes = b""
    mask: bytes = b""
    offset: int = 0
    extension: str = ""
    enabled: bool = True
    registered: int = 0

    @property
    def ours(self) -> bool:
        return self.name.startswith(PREFIX)

    @property
    def on_trial(self) -> bool:
        return self.name.startswith(TRIAL)

    @property
    def pinned(self) -> bool:
        """Was the interpreter opened when it was registered, to work in every root? (flag F)"""
        return "F" in self.flags

    def takes(self, start: bytes) -> bool:
        """Does the kernel give a file that starts like this to it, when it asks it?"""
        return bool(self.magic) and matches(start[self.offset :], self.magic, self.mask)

    def line(self) -> bytes:
        """What the kernel's `register` file and a line of binfmt.d(5) look like.

        Raises ValueError if the kernel could not take it.
        """
        interpreter, name = self.interpreter.encode(), self.name.encode()
        delimiter = next((d for d in _DELIMITERS if d.encode() not in interpreter + name), None)
        if delimiter is None or b"\n" in interpreter:
            raise ValueError(f"{self.interpreter!r} cannot be written into a line")
        kind, pattern = b"M", escaped(self.magic)
        if self.extension:
            kind, pattern = b"E", self.extension.encode()
        offset = str(self.offset).encode() if self.offset else b""
        fields = (b"", name, kind, offset, pattern, escaped(self.mask), interpreter)
        line = delimiter.encode().join((*fields, self.flags.encode()))
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"the line for {self.name} is longer than {_LONGEST_LINE} bytes")
        return line


def read_entry(path: Path) -> Entry:
    """Read what the kernel tells about an entry; raises OSError if it has gone."""
    enabled, *lines = path.read_text().splitlines()
    facts: Mapping[str, str] = dict(line.replace(":", "", 1).partition(" ")[::2] for line in lines)
    magic = bytes.fromhex(facts.get("magic", ""))
    return Entry(
        name=path.name,
        interpreter=facts.get("interpreter", ""),
        flags=facts.get("flags", "").strip(),
        magic=magic,
        mask=bytes.fromhex(facts["mask"]) if "mask" in facts else b"\xff" * len(magic),
        offset=int(facts.get("offset", "0")),
        extension=facts.get("extension", "").removeprefix("."),
        enabled=enabled == "enabled",
        registered=path.stat().st_ctime_ns,
    )


def parse_line(line: bytes) -> Entry | None:
    """Read a line of binfmt.d(5); None for a comment, or for what is no registration."""
    text = line.strip()
    if not text or text[:1] in b"#;" or text[0] >= 0x80:
        return None
    fields = text[1:].split(text[:1])
    if len(fields) != 7 or fields[1] not in {b"M", b"E"}:
        return None
    name, kind, offset, pattern, mask, interpreter, flags = fields
    magic = _unescaped(pattern) if kind == b"M" else b""
    return Entry(
        name=name.decode(errors="replace"),
        interpreter=interpreter.decode(errors="replace"),
        flags=flags.decode(errors="replace"),
        magic=magic,
        mask=_unescaped(mask) if mask else b"\xff" * len(magic),
        offset=int(offset) if offset.isdigit() else 0,
        extension=pattern.decode(errors="replace") if kind == b"E" else "",
    )


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text)
