"""What root of a hostile image can do to the table, the log and the programs: nothing gained.

Inside the container the files below /dev/.amphora are mounts that cannot be changed, but
root may move the directory away and make another one. Then the table says what root likes.
"""

import os
import random
import shutil
import struct

import pytest
from msgspec.structs import replace

from amphora.emulation.table import write_table

pytestmark = pytest.mark.privileged


def planted(stage, content):
    """Another table, as root of the image would make it."""
    stage.table.write_bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"AHANDOF",
        b"AHANDOF4" + bytes(8),
        bytes(4096),
        b"AHANDOF4" + b"\xff" * 4096,
        b"AHANDOF4" + struct.pack("<4I", 0xFFFFFFFF, 0, 0, 0) + bytes(100),
        b"AHANDOF4" + struct.pack("<4I", 0, 0, 0, 0) + bytes(100),
        b"AHANDOF2" + bytes(4096),
    ],
    ids=["empty", "short", "cut", "zeros", "ones", "huge", "no buckets", "old"],
)
def test_what_is_no_table_is_ignored(on_stage, content):
    def inside(stage):
        planted(stage, content)
        return stage.run()

    assert not on_stage(inside).native


@pytest.mark.parametrize("kind", ["pipe", "directory", "link to nothing"])
def test_what_is_no_file_is_ignored(on_stage, kind):
    def inside(stage):
        match kind:
            case "pipe":
                os.mkfifo(stage.table)
            case "directory":
                stage.table.mkdir()
            case _:
                stage.table.symlink_to("missing")
        return stage.run()

    assert not on_stage(inside).native


def test_a_damaged_table_never_keeps_a_program_from_running(on_stage):
    """Bytes are changed at random: it runs here or there, with the arguments it was given."""
    numbers = random.Random(4711)

    def inside(stage):
        stage.offer(never_with=["-v"], only_as=["witness"], script_never_has=["X"])
        sound = stage.table.read_bytes()
        found = set()
        for _ in range(150):
            content = bytearray(sound)
            for _ in range(numbers.randrange(1, 12)):
                content[numbers.randrange(len(content))] = numbers.randrange(256)
            planted(stage, content[: numbers.choice([len(content), numbers.randrange(600)])])
            ran = stage.run("-c", "echo")
            assert ran.status == 0, ran
            found.add(ran.native)
        return found

    assert on_stage(inside) == {True, False}


def test_a_table_without_an_end_is_no_table(on_stage):
    """Texts and lists could otherwise be read beyond it."""

    def inside(stage):
        stage.offer(never_with=["a" * 100])
        sound = stage.table.read_bytes()
        whole = stage.run().native
        page = -len(sound) % 4096
        planted(stage, sound + b"x" * page)
        return whole, stage.run().native

    assert on_stage(inside) == (True, False)


def test_a_planted_table_has_no_say_over_set_uid_programs(on_stage):
    """The one thing that a user of the container could gain: the rights of another."""

    def inside(stage):
        stage.program.chmod(0o4755)
        stage.offer()
        stage.table.chmod(0o666)
        (stage.root / "dev/.amphora").chmod(0o777)
        return stage.run(user=77)

    ran = on_stage(inside)
    assert not ran.native
    assert ran.said("user") == ["77 0"]


def test_a_planted_counterpart_runs_as_its_caller_below_the_same_root(on_stage):
    """It is no more than executing that very file, which anybody may do without a table."""

    def inside(stage):
        own = stage.root / "tmp/own"
        shutil.copy(stage.programs["native"], own)
        own.chmod(0o4755)
        stage.offer()
        (handoff,) = stage.offered
        planted(stage, write_table([replace(handoff, counterpart="/tmp/own")]))
        through = stage.run(user=77)
        direct = stage.run(user=77, executable="/tmp/own")
        return through.native, through.said("user"), direct.said("user")

    native, through, direct = on_stage(inside)
    assert native
    assert through == direct


def test_a_planted_counterpart_cannot_be_outside_the_root(on_stage):
    def inside(stage):
        outside = stage.root.parent / "outside"
        shutil.copy(stage.programs["native"], outside)
        (stage.root / "tmp/link").symlink_to("../../../outside")
        stage.offer()
        (handoff,) = stage.offered
        found = []
        for path in ("/../outside", "/tmp/../../outside", "/tmp/link", str(outside)):
            planted(stage, write_table([replace(handoff, counterpart=path)]))
            found.append(stage.run().native)
        return found

    assert on_stage(inside) == [False] * 4


def test_another_file_under_the_inode_of_a_program(on_stage):
    """A deleted program's inode may be given out again: size and time of change tell."""

    def inside(stage):
        stage.offer()
        number = stage.program.stat().st_ino
        stage.program.unlink()
        for count in range(200):
            path = stage.root / f"tmp/{count}"
            shutil.copy(stage.programs["foreign"], path)
            if path.stat().st_ino == number:
                break
        return stage.run(executable=f"/tmp/{count}").native

    assert not on_stage(inside)


def test_a_program_that_is_replaced_while_it_starts(on_stage):
    """The kernel's open file decides, not the name: what ran is what was in the table, or QEMU."""

    def inside(stage):
        offered = stage.root / "tmp/offered"
        stage.program.rename(offered)
        stage.offer(offered)
        other = stage.root / "tmp/other"
        shutil.copy(stage.programs["foreign"], other)
        swapper = os.fork()
        if swapper == 0:
            link, target = stage.root / "tmp/next", stage.program
            while True:
                for name in ("offered", "other"):
                    link.symlink_to(f"/tmp/{name}")
                    link.rename(target)
        try:
            while not stage.program.is_symlink():
                pass
            runs = [stage.run() for _ in range(60)]
        finally:
            os.kill(swapper, 9)
            os.waitpid(swapper, 0)
        return [ran.native for ran in runs], stage.logged()

    natives, log = on_stage(inside)
    assert [line[0] == "N" for line in log] == natives


def test_names_cannot_forge_lines_of_the_log(on_stage):
    def inside(stage):
        (stage.root / "bin/a\nNforged\n").symlink_to("witness")
        long = "x" * 200
        (stage.root / long).mkdir()
        (stage.root / long / long).symlink_to("/bin/witness")
        stage.run(executable="/bin/a\nNforged\n")
        stage.offer()
        stage.run(executable="/bin/a\nNforged\n")
        stage.run(executable=f"/{long}/{long}")
        return stage.logged()

    log = on_stage(inside)
    assert log[0] == "N/bin/a?Nforged?"
    assert log[1] == "N" + ("/" + "x" * 200 + "/" + "x" * 200)[-255:]
    assert len(log) == 2


@pytest.mark.parametrize("kind", ["missing", "read-only", "directory"])
def test_a_log_that_cannot_be_written_to_stops_nothing(on_stage, kind):
    def inside(stage):
        stage.offer()
        stage.log.unlink()
        if kind == "read-only":
            stage.log.touch(0o400)
        elif kind == "directory":
            stage.log.mkdir()
        return stage.run(user=77).native

    assert on_stage(inside)
