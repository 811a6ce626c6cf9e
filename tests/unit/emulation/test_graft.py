"""Handoff in front of QEMU: a sound executable, of which nothing else has changed."""

import platform
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from amphora.core.errors import ToolFailedError
from amphora.core.platform import Platform
from amphora.emulation import graft as module
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.graft import graft, grafted, handoff_code
from amphora.emulation.table import LAYOUT
from amphora.system.elf import read_dynamics

CODE = b"\x90" * 10 + b"AHOPATCH" + bytes(8) + b"\xcc"
EMULATOR = Path(shutil.which("qemu-s390x-static") or "/missing")


def test_code_of_another_layout_is_not_used(monkeypatch, tmp_path):
    """What `make setup` left behind when the source has changed since."""
    code = handoff_code()
    assert code, "make setup"
    monkeypatch.setattr(module, "__file__", str(tmp_path / "graft.py"))
    assert handoff_code() is None
    (tmp_path / "native").mkdir()
    place = tmp_path / f"native/handoff-{Platform.host().architecture}.bin"
    place.write_bytes(code)
    assert handoff_code() == code
    for other in (code.replace(LAYOUT, b"AHANDOF0"), code[:-100], b""):
        place.write_bytes(other)
        assert handoff_code() is None


def segments(image):
    start, size, count = *struct.unpack_from("<Q", image, 32), *struct.unpack_from("<HH", image, 54)
    names = ("kind", "flags", "offset", "address", "physical", "size", "memory", "alignment")
    return [
        dict(zip(names, struct.unpack_from("<IIQQQQQQ", image, start + number * size), strict=True))
        for number in range(count)
    ]


def entry(image):
    return struct.unpack_from("<Q", image, 24)[0]


@pytest.fixture(scope="module")
def images():
    original = EMULATOR.read_bytes()
    return original, graft(EMULATOR, CODE)


def test_the_entry_point_is_the_first_byte_of_the_code(images):
    _, image = images
    new = next(each for each in segments(image) if each["address"] == entry(image))
    assert new["kind"] == 1
    assert new["flags"] == 5, "readable, executable, not writable"
    page = max(each["alignment"] for each in segments(image) if each["kind"] == 1)
    assert new["offset"] % page == new["address"] % page == 0
    code = image[new["offset"] :]
    assert len(code) == new["size"] == new["memory"] == len(CODE)
    assert code[:18] == CODE[:18]
    assert code[26:] == CODE[26:]


def test_the_code_knows_the_way_to_qemus_own_entry_point(images):
    original, image = images
    new = next(each for each in segments(image) if each["address"] == entry(image))
    (distance,) = struct.unpack_from("<q", image, new["offset"] + 18)
    assert new["address"] + 10 + distance == entry(original)


def test_no_segment_overlaps_the_new_one(images):
    _, image = images
    loads = [each for each in segments(image) if each["kind"] == 1]
    ranges = sorted((each["address"], each["address"] + each["memory"]) for each in loads)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))


def test_nothing_else_of_qemu_has_changed(images):
    original, image = images
    differing = [place for place in range(len(original)) if original[place] != image[place]]
    (note,) = (
        number
        for number, (old, new) in enumerate(zip(segments(original), segments(image), strict=True))
        if old != new
    )
    assert segments(original)[note]["kind"] == 4
    start = struct.unpack_from("<Q", original, 32)[0] + 56 * note
    allowed = {*range(24, 32), *range(start, start + 56)}
    assert set(differing) <= allowed
    assert set(image[len(original) : segments(image)[note]["offset"]]) <= {0}


def test_the_result_still_is_a_static_program_that_linkers_understand(images, tmp_path):
    path = tmp_path / "grafted"
    path.write_bytes(images[1])
    assert read_dynamics(path) == read_dynamics(EMULATOR)
    said = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True)
    assert said.stderr == ""


def test_with_the_real_code_qemu_starts_as_before(tmp_path):
    """Started without a program in AT_EXECFD it is QEMU, and nothing but QEMU."""
    code = handoff_code()
    if code is None:
        pytest.skip("handoff is not compiled: make setup")
    with grafted(EMULATOR, code) as path:
        copy = tmp_path / "qemu"
        shutil.copy(path, copy)
    copy.chmod(0o755)
    versions = [subprocess.check_output([program, "--version"]) for program in (EMULATOR, copy)]
    assert versions[0] == versions[1]
    assert not path.exists()


CROSS = {"arm64": "aarch64-linux-gnu", "amd64": "x86_64-linux-gnu"}
NATIVE = Path(__file__).parents[3] / "native"


@pytest.mark.parametrize("architecture", CROSS)
def test_the_code_for_each_cpu_goes_on_where_the_program_would_have_begun(architecture, tmp_path):
    """Compiled as `make setup` does; a program for ARM has room for pages of 64 KiB."""
    compiler = shutil.which(f"{CROSS[architecture]}-gcc")
    if compiler is None:
        pytest.skip("needs a cross compiler: make setup-test")
    objcopy = f"{CROSS[architecture]}-objcopy"
    code, program = tmp_path / "code.bin", tmp_path / "program"
    variables = (f"OUTPUT={code}", f"CC={compiler}", f"OBJCOPY={objcopy}")
    subprocess.run(["make", "-s", "-C", NATIVE, *variables], check=True)
    source = "#include <stdio.h>\nint main(int c, char **v) { return puts(v[1]) < 0 ? 1 : c; }\n"
    compile_it = [compiler, "-static", "-x", "c", "-", "-o", program]
    subprocess.run(compile_it, input=source, text=True, check=True)
    image = graft(program, code.read_bytes())
    new = next(each for each in segments(image) if each["address"] == entry(image))
    page = max(each["alignment"] for each in segments(image) if each["kind"] == 1)
    assert new["alignment"] == page
    assert new["offset"] % page == new["address"] % page == 0
    program.write_bytes(image)
    emulator = find_emulator(FORMATS[architecture])
    native = architecture == Platform.host().architecture
    command = [program] if native else [emulator.path, program]
    done = subprocess.run([*command, "said"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"said\n")


def small_elf(kinds, *, bits=2, order=1):
    header = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0
    )
    return header + b"".join(
        struct.pack("<IIQQQQQQ", kind, 5, 0, 0x400000, 0x400000, 200, 200, 4096) for kind in kinds
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"#!/bin/sh\nexec qemu\n", "it is not a 64-bit little-endian ELF file"),
        (b"", "it is not a 64-bit little-endian ELF file"),
        (small_elf([1, 4], bits=1), "it is not a 64-bit little-endian ELF file"),
        (small_elf([1, 4], order=2), "it is not a 64-bit little-endian ELF file"),
        (small_elf([1, 3, 4]), "it is not static, and its loader is not in the image"),
        (small_elf([1, 1]), "it has no note segment whose place could be taken"),
        (small_elf([1, 4])[:-1], "it is cut short"),
        (small_elf([1, 4])[:30], "it is cut short"),
    ],
    ids=["script", "empty", "32 bits", "big-endian", "dynamic", "no note", "cut", "header cut"],
)
def test_an_emulator_that_does_not_suit_is_an_error_that_says_why(tmp_path, content, why):
    path = tmp_path / "qemu-strange"
    path.write_bytes(content)
    with pytest.raises(ToolFailedError) as caught:
        graft(path, CODE)
    assert caught.value.why == why
    assert str(path) in caught.value.what
    assert "--handoff=off" in caught.value.next_command


def test_a_program_with_a_note_to_spare_suits(tmp_path):
    path = tmp_path / "qemu-small"
    path.write_bytes(small_elf([1, 4]))
    image = graft(path, CODE)
    assert segments(image)[1]["kind"] == 1
    assert segments(image)[0] == segments(path.read_bytes())[0]


def test_the_code_is_for_this_machine():
    code = handoff_code()
    if code is None:
        pytest.skip("handoff is not compiled: make setup")
    assert code.count(b"AHOPATCH") == 1
    assert len(code) < 65536
    name = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    assert (Path(module.__file__).parent / f"native/handoff-{name}.bin").read_bytes() == code
