"""The emulated arm64 machine: what is heard of it, what it must hold to, and how it is ended."""

import asyncio
import os
import re
from pathlib import Path

import pytest

import page
from amphora.core.errors import MissingToolError, ToolFailedError
from console import Console
from machine import Machine, boot
from system import prove

ROOT = Path(__file__).parents[2]


def heard(*chunks):
    console = Console()
    for chunk in chunks:
        console.hear(chunk)
    return console


def test_the_log_is_what_stands_between_the_first_heading_and_the_verdict():
    console = heard(
        b"EFI stub\r\n\x1b[2J\r\n## The mach",
        b"ine\r\n\r\n$ uname \xe2\x80",
        b"\xa6\r\n",
        b"\x1b[0;32mLinux\x1b[0m  \r\nAll of it holds.\r\nreboot: Power down\r\n",
    )
    assert console.proven
    assert console.log == "## The machine\n\n$ uname …\nLinux\nAll of it holds."


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"All of it holds.\n",
        b"## A\n$ echo All of it holds.\n",
        b"## A\nAll of it holds.",
        b"## A\nDOES NOT HOLD: uname: nothing matches\n",
    ],
    ids=["nothing", "no heading", "part of a line", "no line", "not"],
)
def test_without_the_verdict_nothing_is_proven(said):
    assert not heard(said).proven


def test_a_machine_that_does_not_end_is_switched_off(tmp_path):
    started = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {started}; echo on; exec sleep 600"]
    said = []
    with pytest.raises(ToolFailedError, match="did not run to its end") as caught:
        asyncio.run(boot(command, said.append, 1))
    assert caught.value.why == "it did not end within 1 s"
    assert b"".join(said) == b"on\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_an_emulator_that_fails_is_an_error():
    with pytest.raises(ToolFailedError) as caught:
        asyncio.run(boot(["false"], print, 60))
    assert caught.value.why == "QEMU exited with status 1"


def test_what_the_machine_is_made_of_can_be_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("amphora.system.process._DEFAULT_PATH", str(tmp_path))
    with pytest.raises(MissingToolError) as caught:
        _ = Machine(tmp_path / "disk", tmp_path / "kernel").command
    assert caught.value.next_command == "sudo apt-get install util-linux"


def test_a_command_is_held_to_its_status_and_to_what_it_prints(capsys, monkeypatch):
    monkeypatch.setattr(prove, "FAILURES", [])
    prove.run("sh -c 'echo one; echo two >&2; exit 3'", "^one$", "^two$", status=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["$ sh -c 'echo one; echo two >&2; exit 3'", "one", "two"]
    assert re.fullmatch(r"# [0-9.]+ s", lines[3])
    assert prove.FAILURES == []
    prove.run("false")
    prove.run("echo one", "^on$")
    assert prove.FAILURES == [
        "false: status 1, not 0",
        "echo one: nothing matches '^on$'",
    ]
    assert capsys.readouterr().out.count("DOES NOT HOLD: ") == 2


def test_the_page_takes_a_new_log_in_place_of_the_old(monkeypatch, tmp_path):
    copy = tmp_path / "page.md"
    copy.write_text(page.PAGE.read_text())
    before, _, rest = copy.read_text().partition("<!-- log -->")
    _, _, behind = rest.partition("<!-- end of log -->")
    monkeypatch.setattr(page, "PAGE", copy)
    for log in ("## The first", r"## The second \1"):
        page.write_log(log, "QEMU 1", 2.5)
        text = copy.read_text()
        assert text.startswith(f"{before}<!-- log -->\n")
        assert text.endswith(f"<!-- end of log -->{behind}")
        assert "QEMU 1, 2 s" in text
        assert f"```text\n{log}\n```\n" in text
    assert "## The first" not in text
