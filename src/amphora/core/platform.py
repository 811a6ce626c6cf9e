"""Platforms: `os/architecture/variant`, parsed, normalised and matched.

The rules are those of containerd's `platforms` package, which docker, buildx and
Kubernetes share, plus the aliases that people type by habit (`aarch64`, `arm64v8`,
`armhf`, `ppc64el`).
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Self

from msgspec import Struct

from amphora.core.errors import InvalidValueError

#: What people write → (architecture, variant) as Go and OCI name them.
_ALIASES: dict[str, tuple[str, str]] = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "x86": ("386", ""),
    "aarch64": ("arm64", ""),
    "arm64v8": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv7": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "armv6": ("arm", "v6"),
    "armv5": ("arm", "v5"),
    "arm32v5": ("arm", "v5"),
    "arm32v6": ("arm", "v6"),
    "arm32v7": ("arm", "v7"),
    "ppc64el": ("ppc64le", ""),
    "powerpc64le": ("ppc64le", ""),
    "mipsel": ("mipsle", ""),
    "mips64el": ("mips64le", ""),
    "loongarch64": ("loong64", ""),
}

#: The architectures that OCI images are published for.
ARCHITECTURES = frozenset(
    {
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
    }
)

#: Two spellings of one thing: (architecture, variant) → the variant of the normal form.
_VARIANTS: dict[tuple[str, str], str] = {
    ("amd64", "v1"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
}

_OS_NAMES = frozenset({"linux", "windows", "darwin", "freebsd", "wasip1"})
_COMPONENT = re.compile(r"[A-Za-z0-9_.-]+")


class Platform(Struct, frozen=True, order=True):
    """One `os/architecture[/variant]`, always in normal form when it comes from `parse`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `linux/arm64`, `arm64`, `aarch64`, `linux/arm/v7`, `arm/v7`, ….

        Raises InvalidValueError naming the part that is wrong.
        """
        parts = text.strip().split("/")
        if not all(_COMPONENT.fullmatch(part) for part in parts) or len(parts) > 3:
            raise _invalid(text, "a platform is written as os/architecture or os/arch/variant")
        if parts[0].lower() not in _OS_NAMES:
            parts.insert(0, "linux")
        if len(parts) == 1:
            raise _invalid(text, "it names an operating system but no architecture")
        if len(parts) > 3:
            raise _invalid(text, f"{parts[1]!r} is not an operating system")
        os_name, architecture, variant = (*parts, "")[:3]
        platform = cls.normalise(os_name, architecture, variant)
        if platform.architecture not in ARCHITECTURES:
            raise _invalid(text, f"{architecture!r} is not an architecture images are made for")
        return platform

    @classmethod
    def normalise(cls, os_name: str, architecture: str, variant: str = "") -> Self:
        """Bring the fields of an image config or descriptor into normal form; never raises."""
        architecture, variant = architecture.lower(), variant.lower()
        alias = _ALIASES.get(architecture)
        if alias is not None:
            architecture, variant = alias[0], variant or alias[1]
        if variant and variant[0].isdigit():
            variant = f"v{variant}"
        variant = _VARIANTS.get((architecture, variant), variant)
        return cls(os_name.lower(), architecture, variant)

    @classmethod
    def host(cls) -> Self:
        """The platform this process runs on."""
        return cls.parse(f"linux/{os.uname().machine}")

    def matches(self, candidate: "Platform", *, strict: bool = False) -> bool:
        """Can something built for `candidate` be used where this platform is asked for?

        As containerd's `Only`: an older variant and the 32-bit sibling will do.
        `strict` accepts the very same platform only, as `OnlyStrict`.
        """
        return candidate == self or (not strict and candidate in set(self._compatible()))

    def select(
        self, candidates: Iterable["Platform"], *, strict: bool = False
    ) -> "Platform | None":
        """The best of `candidates` for this platform, or None; containerd's order."""
        available = set(candidates)
        if self in available:
            return self
        if strict:
            return None
        return next((option for option in self._compatible() if option in available), None)

    def _compatible(self) -> Iterator["Platform"]:
        """Platforms whose programs run here too, best first, this one included."""
        yield self
        if self.architecture == "arm64":
            yield from self._older_arm64()
            yield from Platform(self.os, "arm", "v8")._compatible()
        elif self.architecture == "amd64":
            yield from self._older(oldest=1)
            yield Platform(self.os, "386")
        elif self.architecture == "arm":
            yield from self._older(oldest=5)

    def _older(self, oldest: int) -> Iterator["Platform"]:
        level = re.fullmatch(r"v([0-9]{1,2})", self.variant)
        if level is not None:
            for number in range(int(level[1]) - 1, oldest - 1, -1):
                yield Platform.normalise(self.os, self.architecture, f"v{number}")

    def _older_arm64(self) -> Iterator["Platform"]:
        """ARMv9.x runs v8.(x+5) and all below; `v8` and no variant are the same."""
        major_minor = re.fullmatch(r"v([89])(?:\.([0-9]{1,2}))?", self.variant)
        if major_minor is None:
            return
        major, minor = int(major_minor[1]), int(major_minor[2] or 0)
        if major == 9:
            for number in range(minor - 1, -1, -1):
                yield Platform(self.os, "arm64", f"v9.{number}" if number else "v9")
            minor += 6
        for number in range(minor - 1, 0, -1):
            yield Platform(self.os, "arm64", f"v8.{number}")
        yield Platform(self.os, "arm64")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def parse_platforms(texts: Iterable[str]) -> tuple[Platform, ...]:
    """Read what `--platform` was given: comma lists, repeated flags; duplicates fall out."""
    words = (word for text in texts for word in text.split(",") if word.strip())
    return tuple(dict.fromkeys(Platform.parse(word) for word in words))


def _invalid(text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{text[:100]!r} is not a platform",
        why=why,
        next_command="use for example --platform linux/amd64,linux/arm64",
    )
