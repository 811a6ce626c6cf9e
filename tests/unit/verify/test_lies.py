"""Planted lies, each found; and their honest neighbours, about which nothing is said."""

import pytest
from elves import CPUS, elf

from amphora.verify.labels import parse_baselines

#: Platform of each CPU, as images are labelled.
LABELS = {cpu: f"linux/{cpu}" + ("/v7" if cpu == "arm" else "") for cpu in CPUS}


def glibc(cpu="amd64"):
    """A loader and the C library, where glibc has them."""
    loader = CPUS[cpu][4]
    name = loader.rpartition("/")[2]
    return {
        loader[1:]: elf(cpu, soname=name),
        "lib/libc.so.6": elf(cpu, needed=(name,), soname="libc.so.6", loader=True),
    }


def program(cpu="amd64", *libraries, **fields):
    return elf(cpu, loader=True, needed=(*libraries, "libc.so.6"), **fields)


def kinds(findings, path=None):
    return {(each.level, each.kind) for each in findings if path in (None, each.path)}


@pytest.mark.parametrize("cpu", CPUS)
def test_an_honest_image_of_every_cpu(images, cpu):
    layer = {
        **glibc(cpu),
        "bin/sh": program(cpu),
        "bin/static": elf(cpu, kind=2),
        "bin/script": b"#!/bin/sh\n",
        "usr/lib/libz.so.1.3": elf(cpu, soname="libz.so.1", needed=("libc.so.6",)),
        "usr/lib/libz.so.1": ("symlink", "libz.so.1.3"),
        "bin/gzip": program(cpu, "libz.so.1"),
        "etc/motd": "hello",
        "usr/lib/crt1.o": elf(cpu, kind=1),
    }
    assert images.findings(LABELS[cpu], layer, cmd=("sh", "-c", "true")) == ()


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("place", ["bin/tool", "opt/x/lib/libx.so", "usr/lib/python3/_x.so"])
def test_a_file_of_another_cpu_in_any_place(images, cpu, place):
    other = "arm64" if cpu != "arm64" else "amd64"
    findings = images.findings(LABELS[cpu], glibc(cpu), {place: elf(other, soname="x")})
    assert [(each.level, each.kind, each.path) for each in findings] == [
        ("error", "architecture", f"/{place}")
    ]
    assert f"it is for {other}, not for {LABELS[cpu]}" == findings[0].what
    assert (findings[0].layer, findings[0].made_by) == (2, "COPY 1 / # buildkit")


#: Lies of one file: the platform, the file, the kind of the finding.
ONE_FILE = {
    "386 under amd64, which could run it": ("linux/amd64", elf("386", kind=2), "architecture"),
    "amd64 under 386": ("linux/386", elf("amd64"), "architecture"),
    "x32: amd64 with 32 bits": ("linux/amd64", elf(bits=32), "architecture"),
    "ilp32: arm64 with 32 bits": ("linux/arm64", elf("arm64", bits=32), "architecture"),
    "arm under arm64": ("linux/arm64", elf("arm"), "architecture"),
    "arm64 under arm": ("linux/arm/v7", elf("arm64"), "architecture"),
    "big-endian arm64": ("linux/arm64", elf("arm64", order=">"), "architecture"),
    "big-endian ppc64 under ppc64le": ("linux/ppc64le", elf("ppc64"), "architecture"),
    "little-endian ppc64 under ppc64": ("linux/ppc64", elf("ppc64le"), "architecture"),
    "32-bit RISC-V": ("linux/riscv64", elf("riscv64", bits=32), "architecture"),
    "31-bit s390": ("linux/s390x", elf("s390x", bits=32), "architecture"),
    "mips under mipsle": ("linux/mipsle", elf("mips"), "architecture"),
    "SPARC": ("linux/amd64", elf(machine=43), "architecture"),
    "an object file of another CPU": ("linux/arm64", elf("amd64", kind=1), "architecture"),
    "a Go program of the other side": (
        "linux/arm64",
        elf("amd64", kind=2, go="GOARCH=amd64"),
        "architecture",
    ),
    "FreeBSD's": ("linux/amd64", elf(system=9), "abi"),
    "Solaris's": ("linux/amd64", elf(system=6), "abi"),
    "soft-float under arm/v7": (
        "linux/arm/v7",
        elf("arm", flags=0x05000200, needed=("libc.so.6",)),
        "abi",
    ),
    "hard-float under arm/v5": (
        "linux/arm/v5",
        elf("arm", flags=0x05000400, needed=("libc.so.6",)),
        "abi",
    ),
    "ARM's old ABI": ("linux/arm/v7", elf("arm", flags=0x2), "abi"),
    "soft-float RISC-V": (
        "linux/riscv64",
        elf("riscv64", flags=1, needed=("libc.so.6",)),
        "abi",
    ),
    "single-float RISC-V": (
        "linux/riscv64",
        elf("riscv64", flags=3, needed=("libc.so.6",)),
        "abi",
    ),
    "ELFv1 under ppc64le": ("linux/ppc64le", elf("ppc64le", flags=1), "abi"),
    "ELFv2 under ppc64": ("linux/ppc64", elf("ppc64", flags=2), "abi"),
    "n32 under mips": ("linux/mips", elf("mips", flags=0x50001025), "abi"),
    "x86-64-v3 under amd64": ("linux/amd64", elf(isa=3), "baseline"),
    "x86-64-v2 under amd64": ("linux/amd64", elf(isa=2), "baseline"),
    "x86-64-v4 under amd64/v3": ("linux/amd64/v3", elf(isa=4), "baseline"),
    "Go for v3 under amd64": ("linux/amd64", elf(kind=2, go="GOAMD64=v3"), "baseline"),
    "Go for ARMv8.2 under arm64": (
        "linux/arm64",
        elf("arm64", kind=2, go="GOARM64=v8.2,lse"),
        "baseline",
    ),
    "Go for ARMv9 under arm64/v8.5": (
        "linux/arm64/v8.5",
        elf("arm64", kind=2, go="GOARM64=v9.0"),
        "baseline",
    ),
    "Go for ARMv7 under arm/v6": ("linux/arm/v6", elf("arm", kind=2, go="GOARM=7"), "baseline"),
    "ARMv7 under arm/v6": ("linux/arm/v6", elf("arm", arm=10), "baseline"),
    "ARMv8 under arm/v7": ("linux/arm/v7", elf("arm", arm=14), "baseline"),
    "cut short": ("linux/amd64", program()[:100], "damaged"),
}


@pytest.mark.parametrize(("platform", "content", "kind"), ONE_FILE.values(), ids=ONE_FILE)
def test_a_lying_file(images, platform, content, kind):
    cpu = platform.split("/")[1]
    findings = images.findings(platform, glibc(cpu) if cpu != "arm" else {}, {"opt/lie": content})
    assert kinds(findings, "/opt/lie") - {("warning", "library")} == {("error", kind)}


#: Files beside which the lies above are lies, and which are none.
HONEST_FILES = {
    "static soft-float under arm/v7": ("linux/arm/v7", elf("arm", flags=0x05000200)),
    "static soft-float RISC-V": ("linux/riscv64", elf("riscv64", flags=1)),
    "x86-64-v1": ("linux/amd64", elf(isa=1)),
    "x86-64-v3 under amd64/v3": ("linux/amd64/v3", elf(isa=3)),
    "Go for v1": ("linux/amd64", elf(go="GOAMD64=v1")),
    "Go for ARMv8.0": ("linux/arm64", elf("arm64", go="GOARM64=v8.0")),
    "ARMv7 under arm/v7": ("linux/arm/v7", elf("arm", arm=10)),
    "ARMv6 under arm/v7": ("linux/arm/v7", elf("arm", arm=6)),
    "GNU's own ABI number": ("linux/amd64", elf(system=3)),
    "eBPF": ("linux/amd64", elf(machine=247, kind=1)),
    "a GPU's": ("linux/amd64", elf(machine=190)),
    "an AVR's firmware": ("linux/amd64", elf(machine=83, bits=32, kind=2)),
}


@pytest.mark.parametrize(("platform", "content"), HONEST_FILES.values(), ids=HONEST_FILES)
def test_an_honest_file(images, platform, content):
    assert images.findings(platform, {"opt/file": content}) == ()


@pytest.mark.parametrize(
    ("baseline", "platform", "content", "lies"),
    [
        ("x86-64-v3", "linux/amd64", elf(isa=3), False),
        ("x86-64-v2", "linux/amd64", elf(isa=3), True),
        ("armv8.2", "linux/arm64", elf("arm64", go="GOARM64=v8.2"), False),
        ("armv8.1", "linux/arm64", elf("arm64", go="GOARM64=v8.2"), True),
        ("armv6", "linux/arm/v7", elf("arm", arm=10), True),
        ("x86-64-v4", "linux/arm64", elf("arm64", go="GOARM64=v8.2"), True),
    ],
)
def test_a_baseline_that_is_asked_for(images, baseline, platform, content, lies):
    request = {"baselines": parse_baselines([baseline])}
    findings = images.findings(platform, {"opt/file": content}, request=request)
    assert kinds(findings) == ({("error", "baseline")} if lies else set())


def test_libraries_of_which_the_loader_chooses_may_need_more(images):
    layer = {"usr/lib/glibc-hwcaps/x86-64-v3/libm.so.6": elf(isa=3, soname="libm.so.6")}
    assert images.findings("linux/amd64", layer) == ()
