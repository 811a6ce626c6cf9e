"""The table that handoff looks programs up in: its bytes, as `native/handoff.h` has them."""

import os
import struct
from collections.abc import Sequence

from msgspec import Struct

from amphora.emulation.rules import Rule

#: Names the layout below; the helper has it too.
LAYOUT = b"AHANDOF5"
_HEADER = struct.Struct("<8s4I")
_PROGRAM = struct.Struct("<3Q22I")


class Handoff(Struct, frozen=True):
    """One program and its counterpart; paths are those inside the container.

    `status` identifies the program's file. `loader` is empty for a static counterpart.
    `other_revision` names both versions where they are not the same.
    """

    status: os.stat_result
    counterpart: str
    loader: str
    loader_options: Sequence[str]
    rule: Rule
    other_revision: str = ""

    @property
    def conditions(self) -> str:
        """For people: what of its arguments or names keeps it in QEMU; empty if nothing."""
        rule = self.rule
        parts = (
            ("only as", rule.only_as),
            ("not as", rule.never_as),
            ("not with", rule.never_with),
            ("not with", [f"{prefix}…" for prefix in rule.never_with_prefix]),
            ("not with", [f"${name}" for name in rule.never_with_variable]),
            ("only with", [f"${part}" for part in rule.only_with_variable]),
            ("only if handed off too", rule.starts),
            ("not for scripts with", rule.script_never_has),
            ("only to run", rule.only_scripts),
        )
        return "; ".join(f"{word} {', '.join(items)}" for word, items in parts if items)


def write_table(programs: Sequence[Handoff]) -> bytes:
    """The whole table; all programs must be on one file system."""
    buckets = 1 << max(4, (2 * len(programs)).bit_length())
    device = programs[0].status.st_dev if programs else 0
    texts = _Texts(_HEADER.size + buckets * _PROGRAM.size)
    placed: list[bytes | None] = [None] * buckets
    for program in programs:
        bucket = program.status.st_ino % buckets
        while placed[bucket] is not None:
            bucket = (bucket + 1) % buckets
        placed[bucket] = _program(program, texts)
    header = _HEADER.pack(LAYOUT, buckets, os.major(device), os.minor(device), 0)
    free = bytes(_PROGRAM.size)
    return header + b"".join(entry or free for entry in placed) + bytes(texts.content) + b"\0\0"


def _program(program: Handoff, texts: "_Texts") -> bytes:
    status, rule = program.status, program.rule
    return _PROGRAM.pack(
        status.st_ino,
        status.st_size,
        status.st_ctime_ns // 10**9,
        status.st_ctime_ns % 10**9,
        texts.text(program.counterpart),
        texts.text(program.loader),
        texts.list(program.loader_options),
        texts.list(rule.inserted),
        texts.list(rule.only_as),
        texts.list(rule.never_as),
        texts.list(rule.never_with),
        texts.list(rule.never_with_prefix),
        texts.text(rule.replaced_after),
        texts.text(rule.replacement),
        texts.list(rule.script_never_has),
        texts.list(rule.environment),
        texts.list([f"{name}=" for name in rule.never_with_variable]),
        texts.list(rule.only_with),
        texts.list(rule.only_scripts),
        texts.list(rule.name_follows),
        texts.list(rule.only_with_variable),
        texts.list(rule.starts),
        texts.list(rule.accompanied),
        texts.text(rule.accompanied_where),
        0,
    )


class _Texts:
    """The texts and lists behind the programs, each once; answers with offsets."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._known: dict[bytes, int] = {}
        self.content = bytearray()

    def text(self, text: str) -> int:
        return self._place(os.fsencode(text) + b"\0")

    def list(self, texts: Sequence[str]) -> int:
        """Texts one after the other, ended by an empty one."""
        return self._place(b"".join(os.fsencode(text) + b"\0" for text in texts) + b"\0")

    def _place(self, content: bytes) -> int:
        if content not in self._known:
            self._known[content] = self._start + len(self.content)
            self.content += content
        return self._known[content]
