"""The helper in front of QEMU, on its own: whom it hands off, and what those programs see."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.emulation import binfmt
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.probe import WITNESS, program
from amphora.emulation.support import Emulation
from amphora.emulation.table import write_table
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

#: What an environment must look like to every program: the order counts.
VARIABLES = {"PATH": "/bin", "B": "", "A": "x=y z", "LC_ALL": "C.UTF-8", "Z": "\udcff"}


def test_a_program_of_the_table_is_handed_off_and_no_other(on_stage):
    def inside(stage):
        stage.offer()
        shutil.copy(stage.program, stage.root / "bin/other")
        return stage.run(), stage.run(executable="/bin/other"), stage.logged()

    offered, other, log = on_stage(inside)
    assert offered.native
    assert not other.native
    assert log == ["N/bin/witness", "Q/bin/other"]


def test_without_a_table_or_a_device_directory_qemu_runs_as_ever(on_stage):
    def inside(stage):
        first = stage.run()
        (stage.root / "inner/bin").mkdir(parents=True)
        (stage.root / "inner/bin/linked").hardlink_to(stage.program)
        stage.offer()
        inner = stage.run(executable="/bin/linked", root=stage.root / "inner")
        return first.native, stage.run().native, inner.native

    assert on_stage(inside) == (False, True, False)


def test_both_see_the_arguments_and_the_environment_that_pure_emulation_gives(on_stage):
    arguments = ["", "-x", "a b", "new\nline", "\udcff", "--argv0", "-0", "ä"]

    def with_handoff(stage):
        stage.offer()
        return stage.run(*arguments, name="./odd name", env=VARIABLES)

    def without(stage):
        return stage.run(*arguments, name="./odd name", env=VARIABLES)

    handed_off, emulated = on_stage(with_handoff), on_stage(without)
    pure = on_stage(without, handoff=False)
    assert (handed_off.native, emulated.native, pure.native) == (True, False, False)
    assert pure.said("argument")[0] == "./odd name"
    for kind in ("argument", "variable", "user", "descriptor", "ignored"):
        assert handed_off.said(kind) == emulated.said(kind) == pure.said(kind), kind
    assert sorted(pure.said("variable")) == sorted(f"{k}={v}" for k, v in VARIABLES.items())
    assert pure.said("descriptor") == ["0", "1", "2"]
    # The rest is about the CPU and the loader.
    for kind in ("secure", "started", "ids", "opened", "platform"):
        assert emulated.said(kind) == pure.said(kind), kind


def test_every_way_to_name_the_program_finds_it(on_stage):
    def inside(stage):
        stage.program.with_name("linked").hardlink_to(stage.program)
        stage.offer()
        stage.program.with_name("pointed").symlink_to("witness")
        script = stage.root / "tmp/script"
        script.write_text("#!/bin/pointed with option\n")
        script.chmod(0o755)
        opened = os.open(stage.program, os.O_RDONLY)
        os.set_inheritable(opened, True)
        (stage.root / "proc").mkdir()
        syscalls.mount("proc", stage.root / "proc", "proc")
        by_number = f"/proc/self/fd/{opened}"
        return {
            "relative": stage.run(executable="./witness", cwd="/bin"),
            "upwards": stage.run(executable="../bin/witness", cwd="/tmp"),
            "hard link": stage.run(executable="/bin/linked"),
            "link": stage.run(executable="/bin/pointed"),
            "script": stage.run("argument", executable="/tmp/script"),
            "open file": stage.run(executable=opened, pass_fds=[opened]),
            "number": stage.run(executable=by_number, pass_fds=[opened]),
        }

    found = on_stage(inside)
    assert all(ran.native for ran in found.values()), found
    script = found.pop("script").said("argument")
    assert script == ["/bin/pointed", "with option", "/tmp/script", "argument"]
    assert all(ran.said("argument") == ["witness"] for ran in found.values())


CHANGES = {
    "contents": lambda stage: stage.program.write_bytes(stage.program.read_bytes() + b"\0"),
    "contents, of the same size": lambda stage: stage.program.write_bytes(
        stage.program.read_bytes()
    ),
    "times": lambda stage: os.utime(stage.program, (1, 1)),
    "mode": lambda stage: stage.program.chmod(0o700),
    "owner": lambda stage: os.chown(stage.program, 7, 7),
    "another link": lambda stage: stage.program.with_name("linked").hardlink_to(stage.program),
    "renamed and back": lambda stage: stage.program.rename(stage.program.with_name("away")).rename(
        stage.program
    ),
    "replaced": lambda stage: replaced(stage, keep=False),
    "replaced, with the same times": lambda stage: replaced(stage, keep=True),
}


def replaced(stage, *, keep):
    copy = stage.program.with_name("copy")
    (shutil.copy2 if keep else shutil.copy)(stage.program, copy)
    copy.rename(stage.program)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_program_that_was_touched_in_any_way_stays_in_qemu(on_stage, change):
    def inside(stage):
        stage.offer()
        before = stage.run().native
        change(stage)
        return before, stage.run().native

    assert on_stage(inside) == (True, False)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o755])
def test_programs_with_more_rights_than_their_caller_stay_in_qemu(on_stage, mode):
    """Even if the table has them: what the caller has arranged must not decide for them."""

    def inside(stage):
        os.chown(stage.program, 0, 0)
        stage.program.chmod(mode)
        stage.offer()
        return stage.run(user=77), stage.run()

    ran, by_root = on_stage(inside)
    special = mode != 0o755
    assert ran.native is not special
    assert ran.said("user") == [f"77 {0 if mode & 0o4000 else 77}"]
    assert ran.said("secure") == [str(int(special))]
    assert by_root.native


def test_status_signals_and_streams_are_the_programs_own(on_stage):
    def inside(stage):
        stage.offer()
        source, target = os.pipe()
        os.write(target, b"through a pipe")
        os.close(target)
        with os.fdopen(source) as pipe:
            copied = stage.run("copy", stdin=pipe).output
        statuses = [stage.run("exit", "7").status, stage.run("signal", "9").status]
        return copied, [*statuses, stage.run("signal", "15").status], stage.logged()

    copied, statuses, log = on_stage(inside)
    assert copied == b"through a pipe"
    assert statuses == [7, -9, -15]
    assert log == ["N/bin/witness"] * 4


def test_a_hundred_thousand_arguments(on_stage):
    """On a small stack too: the helper needs none of it."""

    def inside(stage):
        stage.offer()
        many = stage.run("count", *["x"] * 100_000)
        small = stage.run("count", *["x"] * 2_000, stack=192 << 10)
        return many, small

    many, small = on_stage(inside)
    assert many.native
    assert many.said("argument") == ["100002"]
    assert small.native
    assert small.said("argument") == ["2002"]


def test_what_becomes_too_long_is_run_by_qemu_and_counted_there(on_stage):
    """Just so many arguments that the kernel takes them, but none more."""

    def longest(stage):
        """Found by halving; QEMU itself needs a few, so what it can run is the measure."""
        low, high = 0, 1 << 20
        while high - low > 16:
            middle = (low + high) // 2
            try:
                fits = stage.run("count", *["xxxxxxx"] * middle).status == 0
            except OSError:
                fits = False
            low, high = (middle, high) if fits else (low, middle)
        return low

    def inside(stage):
        limit = longest(stage)
        stage.offer(inserted=["y" * 1000] * 100)
        return limit, stage.run("count", *["xxxxxxx"] * limit), stage.logged()

    limit, ran, log = on_stage(inside)
    assert not ran.native
    assert ran.said("argument") == [str(limit + 2)]
    assert log[-3:] == ["N/bin/witness", "R/bin/witness", "Q/bin/witness"]
    assert limit > 10_000


def test_a_counterpart_that_cannot_be_executed_is_no_loss(on_stage):
    def inside(stage):
        stage.offer()
        (stage.root / "dev/.amphora/root/witness").unlink()
        return stage.run("x"), stage.logged()

    ran, log = on_stage(inside)
    assert not ran.native
    assert ran.said("argument") == ["witness", "x"]
    assert ran.said("descriptor") == ["0", "1", "2"]
    assert log == ["N/bin/witness", "R/bin/witness", "Q/bin/witness"]


def test_a_loader_is_given_the_programs_name_and_its_libraries(on_stage, witnesses, tmp_path):
    """A dynamic program, through a copy of this machine's own loader that is not in /lib."""
    dynamic = tmp_path / "dynamic"
    source = Path(__file__).with_name("witness.c")
    cpu = f'-DCPU="{Platform.host().architecture}"'
    subprocess.run(["gcc", cpu, "-o", dynamic, source], check=True)
    lines = subprocess.check_output(["ldd", dynamic], text=True).split()
    libraries = [word for word in lines if word.startswith("/")]

    def inside(stage):
        native = stage.root / "dev/.amphora/root"
        for path in (dynamic, *libraries):
            shutil.copy(path, native)
        loader = next(path for path in native.iterdir() if path.name.startswith("ld-"))
        shown = "/dev/.amphora/root"
        stage.offer(inserted=["inserted"])
        (handoff,) = stage.offered
        options = ("--inhibit-cache", "--library-path", shown)
        stage.offered = [
            replace(
                handoff,
                counterpart=f"{shown}/dynamic",
                loader=f"{shown}/{loader.name}",
                loader_options=options,
            )
        ]
        stage.table.write_bytes(write_table(stage.offered))
        return stage.run("given", name="its name", env=VARIABLES)

    ran = on_stage(inside)
    assert ran.native
    assert ran.said("argument") == ["its name", "inserted", "given"]
    assert len(ran.said("variable")) == len(VARIABLES)


OTHERS = [
    Platform.parse(architecture)
    for architecture, elf_format in FORMATS.items()
    if architecture not in {Platform.host().architecture, "386"} and find_emulator(elf_format)
]


def test_handoff_knows_no_cpu(on_stage):
    """Programs of every other CPU that QEMU is installed for; each counts its 42 arguments."""

    def inside(stage):
        found = {}
        for platform in OTHERS:
            path = stage.root / "bin" / platform.architecture
            path.write_bytes(program(platform.architecture))
            path.chmod(0o755)
            executable = f"/bin/{path.name}"
            arguments = ["probe"] * (WITNESS - 1)
            before = stage.run(*arguments, executable=executable).status
            stage.offer(path, inserted=["exit", "7"])
            after = stage.run(*arguments, executable=executable).status
            found[platform.architecture] = (before, after)
        return found

    found = on_stage(inside, platforms=OTHERS)
    assert "riscv64" in found
    assert set(found.values()) == {(WITNESS, 7)}


def test_an_older_kernel_is_named_as_what_handoff_lacks(in_worker):
    """Its refusal of a table of our own is played by a file in place of the directory."""

    def inside():
        syscalls.mount("none", Path("/proc/sys/fs"), "tmpfs")
        binfmt.MOUNT_POINT.touch()
        return [Emulation(handoff=wanted).lacks_for_handoff for wanted in (True, False)]

    assert in_worker(inside) == ["the kernel is older than 6.7, which the helper needs", ""]


def test_with_a_table_and_a_helper_nothing_is_lacking(in_worker):
    assert in_worker(lambda: Emulation(handoff=True).lacks_for_handoff) == ""
