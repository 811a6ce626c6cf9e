"""Lines of binfmt.d, the table of CPUs against Debian's, and what is known of versions."""

from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.choice import Wish
from amphora.emulation.host.defects import defects_of, known_defects, parse_version
from amphora.emulation.host.entry import Entry, parse_line
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import find_persistence
from amphora.emulation.host.table import BinfmtTable
from amphora.emulation.host.targets import TARGETS, cpus_of, platform_of, start_of

#: Bytes whose masks are ours; docs/emulator.md says why.
LENIENT = {
    "loongarch64": {7, 8},
    **{cpu: {7} for cpu in ("ppc", "ppc64", "s390x", "sh4", "sh4eb")},
    **{cpu: {7} for cpu in ("sparc", "sparc32plus", "sparc64")},
    "ppc64le": {7, 19},
    "i386": {5, 6},
    "x86_64": {5, 6},
    **{cpu: {8} for cpu in ("mips64", "mips64el")},
    **{cpu: {8, 20, 21, 22, 23} for cpu in ("mips", "mipsel", "mipsn32", "mipsn32el")},
}
DEBIAN = sorted(Path("/usr/lib/binfmt.d").glob("qemu-*.conf"))


@pytest.mark.skipif(not DEBIAN, reason="needs Debian's package of QEMU")
def test_debian_s_own_lines_say_the_same():
    lines = [parse_line(path.read_bytes()) for path in DEBIAN]
    assert len(lines) > 25
    for line in lines:
        cpu = line.name.removeprefix("qemu-")
        ours = TARGETS[cpu]
        # Zeros at the end may be left out: under no mask they say nothing.
        different = {
            at
            for theirs, mine in ((line.magic, ours.magic), (line.mask, ours.mask))
            for at, pair in enumerate(zip_longest(theirs, mine, fillvalue=0))
            if pair[0] != pair[1]
        }
        assert different <= LENIENT.get(cpu, set()), cpu
        assert cpus_of(line) == (cpu,)


def test_no_two_cpus_share_a_program():
    for cpu, elf in TARGETS.items():
        assert [name for name, each in TARGETS.items() if each.matches(start_of(elf))] == [cpu]
    assert {elf.qemu_cpu for elf in FORMATS.values()} <= TARGETS.keys()


def test_cpus_that_no_image_is_made_for_have_a_name_too():
    elf = TARGETS["m68k"]
    entry = Entry("x", "/x", "", elf.magic, elf.mask)
    assert str(platform_of(entry)) == "linux/m68k"
    assert platform_of(Entry("x", "/x", "", b"#!", b"\xff\xff")) is None


@given(
    magic=st.binary(min_size=1, max_size=40),
    name=st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True),
    interpreter=st.from_regex(r"/[a-z:|;,+ ]{0,30}", fullmatch=True),
    flags=st.sampled_from(["", "F", "POCF"]),
    offset=st.integers(0, 100),
)
def test_a_line_is_read_as_it_was_written(magic, name, interpreter, flags, offset):
    entry = Entry(name, interpreter, flags, magic, bytes(len(magic)), offset)
    if set(":|,+") <= set(interpreter):
        with pytest.raises(ValueError):
            entry.line()
    elif not interpreter.endswith(" ") or flags:
        assert parse_line(entry.line()) == entry


@pytest.mark.parametrize(
    "line", [b"", b"# no", b"; no", b":a:M", b":a:X::b:c:d:e", b"\xff\xff", b":::::::::"]
)
def test_what_is_no_registration_is_passed_over(line):
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [("10.0.13 (Debian 1:10.0.13+ds)", (10, 0, 13)), ("7.2", (7, 2)), ("of unknown version", ())],
)
def test_versions_are_numbers(text, version):
    assert parse_version(text) == version


def test_what_is_known_of_a_version_has_a_source():
    arm64 = Platform.parse("arm64")
    assert len(known_defects()) >= 6
    assert all(each.reference.startswith("https://github.com/") for each in known_defects())
    assert all(first <= last for each in known_defects() for first, last in each.ranges)
    assert any("buildx/issues/542" in each.reference for each in defects_of(arm64, "5.1.1"))
    assert [each.what for each in defects_of(arm64, "10.2.3 (x)")] == [
        "Node 26 ends with an illegal instruction"
    ]
    assert defects_of(arm64, "7.2.22") == ()
    assert defects_of(arm64, None) == ()
    assert defects_of(Platform.parse("s390x"), "10.2.3") == ()


@pytest.mark.parametrize("text", ["", "QEMU", "fex=/x", "qemu=", "qemu=x", "box86"])
def test_unknown_emulators_are_refused(text):
    with pytest.raises(InvalidValueError, match="is no emulator"):
        Wish.parse(text)


def test_known_emulators_are_read():
    assert Wish.parse("qemu").anything
    assert not Wish.parse("qemu=/x/y").anything
    assert Wish.parse("qemu=/x/y").path == Path("/x/y")
    assert Wish.parse("box64").name == "box64"


#: A root, its init system, and what is found to be the way.
SYSTEMS = [
    (["run/systemd/system/", "usr/lib/systemd/system/systemd-binfmt.service"], "systemd-binfmt"),
    (["run/systemd/system/"], "unit"),
    (
        [
            *("run/systemd/system/", "usr/sbin/update-binfmts"),
            "lib/systemd/system/systemd-binfmt.service",
        ],
        "unit",
    ),
    (["run/openrc/", "etc/init.d/binfmt"], "openrc"),
    (["run/openrc/"], "none"),
    ([], "none"),
]


@pytest.mark.parametrize(("paths", "kind"), SYSTEMS)
def test_the_way_to_last_is_the_system_s_own(tmp_path, paths, kind):
    for path in paths:
        place = tmp_path / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.touch()
    assert find_persistence(tmp_path).kind == kind


@pytest.mark.parametrize(
    ("entry", "owner"),
    [
        (Entry("amphora-arm", "/x", "F"), "amphora"),
        (Entry("WSLInterop-late", "/init", "P"), "WSL, to run Windows programs"),
        (Entry("rosetta", "/mnt/rosetta", "F"), "a virtual machine, to run Apple's Rosetta"),
        (
            Entry("qemu-arm", "/usr/bin/qemu-arm", "F"),
            "a container, as tonistiigi/binfmt and Docker Desktop do",
        ),
        (Entry("mine", "/usr/bin/x", ""), "unknown"),
        (Entry("known", "/usr/bin/x", ""), "somebody (/etc/binfmt.d/a.conf)"),
    ],
)
def test_who_registered_an_entry(tmp_path, entry, owner):
    """The file in /etc hides the one of that name in /usr/lib."""
    for directory, name in (("etc", "known"), ("usr/lib", "mine")):
        (tmp_path / directory / "binfmt.d").mkdir(parents=True)
        line = f"# a comment\n:{name}:E::x::/usr/bin/x:\n"
        (tmp_path / directory / "binfmt.d/a.conf").write_text(line)
    assert Machine(tmp_path, BinfmtTable(tmp_path)).owner(entry) == owner
