"""Holding one ELF file to a platform: CPU, ABI, and the oldest CPU that must run it.

e_flags: https://github.com/ARM-software/abi-aa/blob/main/aaelf32/aaelf32.rst,
https://github.com/riscv-non-isa/riscv-elf-psabi-doc/blob/master/riscv-elf.adoc,
https://openpowerfoundation.org/specifications/64bitelfabi/
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.system.binary import Binary
from amphora.verify.findings import Kind

#: What is wrong with a file, and how that is called.
Verdict = tuple[Kind, str]

#: EI_OSABI of Linux's files: System V, GNU; ARM and others have one of their own from 64 on.
_FOREIGN_SYSTEMS = {1: "HP-UX", 2: "NetBSD", 6: "Solaris", 7: "AIX", 9: "FreeBSD", 12: "OpenBSD"}

#: e_machine of CPUs that Linux runs, or ran, programs on; not of GPUs, eBPF, controllers.
_HOST_MACHINES = frozenset({2, 3, 4, 8, 15, 20, 21, 22, 40, 42, 43, 50, 62, 183, 243, 258, 0x9026})

_EF_ARM_EABI, _EF_ARM_SOFT, _EF_ARM_HARD = 0xFF000000, 0x200, 0x400
_EF_RISCV_FLOAT, _EF_RISCV_DOUBLE = 0x6, 0x4
_EF_PPC64_ABI = 0x3
_EF_MIPS_N32 = 0x20

#: GOARM, GOAMD64 and GOARM64 by architecture.
_GO_LEVELS = {"amd64": "GOAMD64", "arm": "GOARM", "arm64": "GOARM64"}
_LEVEL = re.compile(r"v?([0-9]{1,2})(?:\.([0-9]{1,2}))?(?:,.*)?")
_NAMES = {"amd64": "x86-64-v", "arm64": "ARMv", "arm": "ARMv"}
_OLDEST = {"amd64": (1, 0), "arm64": (8, 0), "arm": (7, 0)}
_BASELINE = re.compile(r"(?P<family>x86-64-|armv?)(?P<level>v?[0-9]{1,2}(?:\.[0-9]{1,2})?)")


class Baselines(Struct, frozen=True):
    """The oldest CPU that must run an image, where it is not what the label says.

    By architecture: the generation, as (3, 0) for x86-64-v3 and (8, 2) for ARMv8.2.
    """

    levels: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, platform: Platform) -> tuple[int, int]:
        """The generation for a variant; what its label says if nothing else is asked for."""
        asked = self.levels.get(platform.architecture)
        return asked or _level(platform.variant) or _OLDEST.get(platform.architecture, (0, 0))


def parse_baselines(texts: Sequence[str]) -> Baselines:
    """Read `x86-64-v3`, `armv8.2`, `armv6`; raises InvalidValueError."""
    levels: dict[str, tuple[int, int]] = {}
    for text in texts:
        match = _BASELINE.fullmatch(text.strip().lower())
        level = _level(match["level"]) if match else None
        if match is None or level is None:
            raise InvalidValueError(
                f"{text[:100]!r} is not a baseline",
                why="a baseline is a generation of x86-64 or of ARM",
                next_command="use for example --baseline x86-64-v2 --baseline armv8.2",
            )
        arm = "arm64" if level[0] >= 8 else "arm"
        levels["amd64" if match["family"] == "x86-64-" else arm] = level
    return Baselines(levels)


def judge(binary: Binary, platform: Platform, baselines: Baselines) -> Iterator[Verdict]:
    """What contradicts the label; nothing for a file that no CPU of any machine runs."""
    if binary.header.machine not in _HOST_MACHINES:
        return
    if binary.architecture != platform.architecture:
        yield "architecture", f"it is for {describe(binary)}, not for {platform}"
        return
    if binary.damaged:
        yield "damaged", "it is cut short: its headers name what the file does not hold"
        return
    if not binary.is_loaded:
        return
    if platform.os == "linux" and binary.system in _FOREIGN_SYSTEMS:
        yield "abi", f"it is for {_FOREIGN_SYSTEMS[binary.system]}, not for {platform.os}"
    yield from _abi(binary, platform)
    yield from _generation(binary, platform, baselines)


def describe(binary: Binary) -> str:
    """The architecture of a file in words, known to OCI or not."""
    if binary.architecture is not None:
        return binary.architecture
    header = binary.header
    order = "little" if header.little_endian else "big"
    return f"machine {header.machine} with {header.bits} bits, {order}-endian"


def _abi(binary: Binary, platform: Platform) -> Iterator[Verdict]:
    """What a loader refuses, or calls wrongly; a static program has no one to disagree with."""
    flags, architecture = binary.flags, platform.architecture
    if architecture == "arm" and flags & _EF_ARM_EABI != 0x05000000:
        yield "abi", "it is for ARM's old ABI, which kernels no longer run"
    elif architecture == "ppc64le" and flags & _EF_PPC64_ABI == 1:
        yield "abi", "it has the ABI ELFv1; ppc64le has ELFv2"
    elif architecture == "ppc64" and flags & _EF_PPC64_ABI == 2:
        yield "abi", "it has the ABI ELFv2; ppc64 has ELFv1"
    elif architecture in {"mips", "mipsle"} and flags & _EF_MIPS_N32:
        yield "abi", f"it has the ABI n32; {architecture} has o32"
    if not binary.dynamic:
        return
    if architecture == "arm" and platform.variant == "v7" and flags & _EF_ARM_SOFT:
        yield "abi", f"it passes numbers as soft-float code does; {platform} is hard-float"
    elif architecture == "arm" and platform.variant == "v5" and flags & _EF_ARM_HARD:
        yield "abi", f"it passes numbers as hard-float code does; {platform} is soft-float"
    elif architecture == "riscv64" and flags & _EF_RISCV_FLOAT != _EF_RISCV_DOUBLE:
        yield "abi", f"it does not pass numbers in double registers (lp64d), as {platform} does"


def _generation(binary: Binary, platform: Platform, baselines: Baselines) -> Iterator[Verdict]:
    oldest = baselines.of(platform)
    needed = max(filter(None, _said(binary, platform)), default=(0, 0))
    if needed > oldest:
        name = _NAMES[platform.architecture]
        yield "baseline", f"it needs {name}{_written(needed)}; {name}{_written(oldest)} must do"


def _said(binary: Binary, platform: Platform) -> Iterator[tuple[int, int] | None]:
    """The generations that a file itself says it needs."""
    setting = _GO_LEVELS.get(platform.architecture)
    if setting is not None:
        yield _level(binary.go.get(setting, ""))
    if platform.architecture == "amd64":
        yield binary.isa, 0
    elif platform.architecture == "arm":
        yield binary.arm, 0


def _level(text: str) -> tuple[int, int] | None:
    match = _LEVEL.fullmatch(text)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _written(level: tuple[int, int]) -> str:
    return f"{level[0]}.{level[1]}" if level[1] else str(level[0])
