"""What is denied while one platform is verified: the entries, and the program behind them."""

import shutil
import subprocess

import pytest

from amphora.emulation.exclusion import _denial, _unmarked, denier, new_mark
from amphora.emulation.formats import FORMATS
from amphora.emulation.probe import program

MARK = b"\x5a\x01"


def with_bytes(content, changes):
    changed = bytearray(content)
    for place, value in changes.items():
        changed[place] = value
    return bytes(changed)


@pytest.mark.parametrize("cpu", ["amd64", "arm64"])
def test_all_but_the_marked_match_one_of_the_entries(cpu):
    entries = list(_unmarked(FORMATS[cpu], MARK))
    marked = with_bytes(program(cpu), {14: MARK[0], 15: MARK[1]})
    assert not any(entry.matches(marked) for entry in entries)
    liars = [program(cpu)]
    liars += [
        with_bytes(marked, {14 + bit // 8: MARK[bit // 8] ^ 1 << bit % 8}) for bit in range(16)
    ]
    for liar in liars:
        assert any(entry.matches(liar) for entry in entries)
    assert len({entry.entry for entry in entries}) == len(entries)


@pytest.mark.parametrize("cpu", FORMATS)
def test_a_cpu_is_denied_and_no_other(cpu):
    entry = _denial(FORMATS[cpu])
    assert [name for name in FORMATS if entry.matches(program(name))] == [cpu]


def test_a_mark_is_none_that_compilers_leave():
    assert all(0 not in new_mark() for _ in range(1000))


@pytest.mark.parametrize(("cpu", "emulator"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_the_denier_notes_the_path_and_exits(cpu, emulator, tmp_path):
    qemu = shutil.which(f"qemu-{emulator}-static") or shutil.which(f"qemu-{emulator}")
    record, executable = tmp_path / "record", tmp_path / "deny"
    record.write_text("before\n")
    executable.write_bytes(denier(cpu, str(record)))
    executable.chmod(0o755)
    for path in ("/opt/tool", "./x y"):
        done = subprocess.run([qemu, executable, path, "argument"], check=False)
        assert done.returncode == 126
    assert record.read_text() == "before\n/opt/tool\n./x y\n"
