"""The kernel's table: which entry wins, and what is read is what was written."""

import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from amphora.core.errors import EmulatorError
from amphora.core.platform import Platform
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.choice import Wish, wanted_entry
from amphora.emulation.host.entry import Entry
from amphora.emulation.host.table import BinfmtTable
from amphora.emulation.probe import WITNESS, program, runs

pytestmark = pytest.mark.privileged

ALIEN = Platform.parse("s390x")
QEMU = find_emulator(FORMATS["s390x"])


def entry(name, interpreter=None):
    wanted = wanted_entry(ALIEN, Wish(), credentials=False)
    return replace(wanted, name=name, interpreter=str(interpreter or wanted.interpreter))


def status_of_a_program(directory):
    path = directory / "program"
    path.write_bytes(program("s390x"))
    path.chmod(0o755)
    done = subprocess.run(["x"] * WITNESS, executable=path, check=False)
    return done.returncode


def test_the_entry_that_was_registered_last_wins_and_is_listed_first(on_host, tmp_path):
    """Proven by running: four entries for one CPU, each ends programs with another status."""

    def inside(host):
        table, seen = host.machine.table, []
        for number, name in enumerate(("zz", "aa", "qemu-s390x", "mm"), start=1):
            script = tmp_path / name
            script.write_text(f"#!/bin/sh\nexit {number}\n")
            script.chmod(0o755)
            table.register(replace(entry(name, script), flags=""))
            assert table.takers(program("s390x"))[0].name == name
            seen.append(status_of_a_program(tmp_path))
        (table.directory / "mm").write_text("0")
        seen.append(status_of_a_program(tmp_path))
        table.remove("qemu-s390x")
        seen.append(status_of_a_program(tmp_path))
        listed = [(each.name, each.enabled) for each in table.entries()]
        return seen, listed, [each.name for each in table.takers(program("s390x"))]

    seen, listed, takers = on_host(inside)
    assert seen == [1, 2, 3, 4, 3, 2]
    assert listed == [("mm", False), ("aa", True), ("zz", True)]
    assert takers == ["aa", "zz"]


def test_what_the_kernel_shows_is_what_was_registered(on_host):
    odd = [
        entry("plain"),
        replace(entry("o|d;d"), interpreter="/none", flags=""),
        replace(entry("else"), flags="", offset=3, magic=b"\n:\0\\", mask=b"\xff\xf0\xff\xff"),
        Entry("by-name", "/usr/bin/true", "", extension="xyz"),
    ]

    def inside(host):
        for each in odd:
            host.machine.table.register(each)
        return host.machine.table.entries()

    read = list(reversed(on_host(inside)))
    assert all(each.registered > 0 for each in read)
    assert [replace(each, registered=0, flags="".join(sorted(each.flags))) for each in read] == [
        replace(each, flags="".join(sorted(each.flags))) for each in odd
    ]


def test_what_the_kernel_refuses_is_an_error_with_its_reason(on_host):
    def inside(host):
        told = []
        host.machine.table.register(entry("there"))
        for each in (entry("there"), entry("missing", "/no/such/file"), entry("new", "/a\nb")):
            try:
                host.machine.table.register(each)
            except EmulatorError as error:
                told.append(error.why)
        host.machine.table.remove("never-was-there")
        return told

    exists, missing, unwritable = on_host(inside)
    assert exists.startswith("File exists")
    assert missing == "No such file or directory (/no/such/file)"
    assert "cannot be written into a line" in unwritable


def test_a_program_that_loses_an_argument_is_no_proof(on_host):
    """Debian's QEMU under the name that promises P, registered without it."""
    name = Path("/usr/libexec/qemu-binfmt/s390x-binfmt-P")
    if not name.exists():
        pytest.skip("needs the names that Debian's QEMU looks at")

    def inside(host):
        host.machine.table.register(replace(entry("right", name), flags="POF"))
        right = runs(ALIEN)
        host.machine.table.register(replace(entry("wrong", name), flags="OF"))
        return right, runs(ALIEN)

    assert on_host(inside) == (True, False)


def test_a_table_that_is_not_mounted_is_empty(tmp_path):
    table = BinfmtTable(tmp_path)
    assert not table.mounted
    assert table.entries() == []
    assert table.takers(program("s390x")) == []
