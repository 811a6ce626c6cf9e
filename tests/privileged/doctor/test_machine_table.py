"""The machine's own table, played by a namespace: empty, good, broken, shadowed, switched off."""

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.doctor.check import Remedy
from amphora.doctor.machine_table import check_machine_table
from amphora.doctor.mending import mend_emulators
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.entry import Entry
from amphora.emulation.host.machine import Machine
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

#: Never this machine's own.
CPU = "s390x"
ELF = FORMATS[CPU]


@pytest.fixture
def on_machine(in_worker):
    """Call a function with a machine whose table, /run and binfmt.d are its own."""

    def call(function):
        def inside():
            syscalls.mount("none", Path("/run"), "tmpfs")
            Path("/run/none").mkdir()
            for place in ("/usr/lib/binfmt.d", "/etc/binfmt.d"):
                if Path(place).is_dir():
                    syscalls.mount("/run/none", Path(place), None, syscalls.MS_BIND)
            machine = Machine()
            machine.table.mount()
            return function(machine)

        return in_worker(inside)

    return call


def entry(interpreter=None, flags="POF", name="qemu-s390x"):
    emulator = interpreter or str(find_emulator(ELF).path.resolve())
    return Entry(name, emulator, flags, ELF.magic, ELF.mask)


def told(machine, *, needed=True):
    """Verdict, what was seen with its command, and the remedy of each check."""
    return [
        (str(check.verdict), f"{check.seen}: {check.command}", check.remedy)
        for check in check_machine_table(machine, needed=needed)
    ]


def test_an_empty_table_matters_where_something_uses_it(on_machine):
    def look(machine):
        return told(machine), told(machine, needed=False)

    ((verdict, text, remedy),), unneeded = on_machine(look)
    assert (verdict, remedy) == ("warning", Remedy.EMULATORS)
    assert "sudo amphora emulator install all" in text
    assert [each[0] for each in unneeded] == ["ok"]


def test_a_good_entry_is_proven(on_machine):
    def look(machine):
        machine.table.register(entry())
        return told(machine)

    ((verdict, text, remedy),) = on_machine(look)
    assert verdict == "ok"
    assert "a program of it ran, by /" in text
    assert remedy is None


def test_an_entry_without_the_flag_f_works_in_no_container(on_machine):
    def look(machine):
        machine.table.register(entry(flags="PO"))
        return told(machine)

    ((verdict, text, remedy),) = on_machine(look)
    assert (verdict, remedy) == ("warning", Remedy.EMULATORS)
    assert "lacks the flag F" in text


def test_an_entry_that_runs_nothing_is_mended(on_machine):
    """Also the mending: said before, and afterwards the platform runs."""

    def look(machine):
        machine.table.register(entry("/bin/true"))
        before, said = told(machine), []
        mend_emulators(said.append, dry_run=True)
        between = told(machine)
        mend_emulators(said.append, dry_run=False)
        return before, between, told(machine), said

    before, between, after, said = on_machine(look)
    assert before == between
    assert [(verdict, remedy) for verdict, _, remedy in before] == [("problem", Remedy.EMULATORS)]
    assert all(verdict != "problem" for verdict, _, _ in after)
    assert len(after) > 1
    assert any(line.startswith("replace linux/s390x on this machine") for line in said)
    assert said[-1].startswith("after a reboot: ")


def test_a_file_that_was_replaced_is_noticed(on_machine):
    def look(machine):
        copy = Path("/run/qemu")
        shutil.copy(find_emulator(ELF).path.resolve(), copy)
        machine.table.register(entry(str(copy)))
        copy.unlink()
        shutil.copy(find_emulator(ELF).path.resolve(), copy)
        return told(machine)

    ((verdict, text, _),) = on_machine(look)
    assert verdict == "warning"
    assert "was replaced since" in text


def test_a_table_that_is_switched_off(on_machine):
    def look(machine):
        machine.table.register(entry())
        (machine.table.directory / "status").write_text("0")
        return told(machine)

    ((verdict, text, _),) = on_machine(look)
    assert verdict == "problem"
    assert "echo 1 | sudo tee" in text


def test_an_entry_that_takes_this_machine_s_own_programs(on_machine):
    def look(machine):
        host = FORMATS[Platform.host().architecture]
        # Switched off, or this test could not end.
        (machine.table.directory / "status").write_text("0")
        machine.table.register(replace(entry(), name="own", magic=host.magic, mask=host.mask))
        return told(machine)

    checks = on_machine(look)
    assert checks[0][0] == "problem"
    assert "echo -1 | sudo tee /proc/sys/fs/binfmt_misc/own" in checks[0][1]


def test_what_is_lost_at_a_reboot_where_something_would_register_it(on_machine):
    def look(machine):
        Path("/run/systemd/system").mkdir(parents=True)
        machine.table.register(entry())
        return told(machine)

    ((verdict, text, _),) = on_machine(look)
    assert verdict == "warning"
    assert "none will after a reboot" in text
