"""Which versions of QEMU are known to fail, and how: `defects.toml`, read.

Only what somebody reported for user mode, with the place where it can be read. It says
what to look out for, not that it happens here: distributions mend such things in versions
that keep their number, and only `amphora emulator verify --deep` proves anything.
"""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from msgspec import Struct

from amphora.core.platform import Platform

Version = tuple[int, ...]


class Defect(Struct, frozen=True):
    """What fails in versions from the first to the last of one of the `ranges`."""

    platforms: frozenset[Platform]
    ranges: tuple[tuple[Version, Version], ...]
    what: str
    reference: str

    def concerns(self, platform: Platform, version: Version) -> bool:
        return platform in self.platforms and any(
            first <= version <= last for first, last in self.ranges
        )


@cache
def known_defects() -> tuple[Defect, ...]:
    """All rows of the table."""
    text = resources.files(__package__).joinpath("defects.toml").read_text()
    return tuple(
        Defect(
            platforms=frozenset(map(Platform.parse, row["platforms"])),
            ranges=tuple(map(_parse_range, row["versions"])),
            what=row["what"],
            reference=row["reference"],
        )
        for row in tomllib.loads(text)["defect"]
    )


def defects_of(platform: Platform, version: str | None) -> Sequence[Defect]:
    """What is known of a version of QEMU for a platform; nothing of an unknown one."""
    number = parse_version(version or "")
    if not number:
        return ()
    return tuple(each for each in known_defects() if each.concerns(platform, number))


def parse_version(text: str) -> Version:
    """`10.0.13` of `10.0.13 (Debian 1:10.0.13+ds-0)`; empty if there is no number."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _parse_range(text: str) -> tuple[Version, Version]:
    first, _, last = text.partition("-")
    return parse_version(first), parse_version(last or first)
