"""The command line itself: help, start-up, completion, progress, JSON, terminals."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys

import click
import pytest
from terminals import Terminal

from amphora.cli.main import cli

pytestmark = [pytest.mark.e2e]

BOTH = "linux/amd64,linux/arm64"
#: What only commands that need it may import.
HEAVY = {"rich", "httpx2", "starlette", "uvicorn", "msgspec", "sqlite3", "asyncio"}


def commands(group=cli, path=()):
    """Every command there is, groups included, with the words that lead to it."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            yield from commands(group.get_command(context, name), (*path, name))


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*c, id=" ".join(c[0])) for c in commands()]
)
def test_help_names_every_flag(amphora, path, command):
    done = amphora(*path, "--help")
    assert done.returncode == 0, done.stderr
    flags = {name for parameter in command.params for name in parameter.opts if name[0] == "-"}
    assert {flag for flag in flags if flag not in done.stdout} == set()
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name
    assert done.stderr == ""


def test_help_imports_nothing_heavy(amphora):
    script = (
        "import sys\n"
        "from amphora.cli.main import main\n"
        "sys.argv = ['amphora', '--help']\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        env=amphora.environ(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "verify" in done.stdout
    assert HEAVY.intersection(done.stderr.split()) == set()


def test_version(amphora):
    shown = json.loads(amphora.ok("version", "--format", "json"))
    assert shown["version"] in amphora.ok("--version")
    assert shown["host"] in amphora.ok("version")
    assert set(shown) == {"version", "host", "tools", "emulators"}


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(amphora, shell):
    script = amphora.ok("completion", shell)
    assert "_AMPHORA_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}: make setup-test")
    done = subprocess.run([shell, "-n"], check=False, input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def complete(amphora, *words):
    """What the shell would offer for the last of the words."""
    amphora.environment["_AMPHORA_COMPLETE"] = "bash_complete"
    amphora.environment["COMP_WORDS"] = " ".join(("amphora", *words))
    amphora.environment["COMP_CWORD"] = str(len(words))
    done = amphora()
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_and_flags_complete(amphora):
    assert complete(amphora, "ver") == ["verify", "version"]
    assert complete(amphora, "image", "i") == ["inspect"]
    assert "--platform" in complete(amphora, "build", "--p")
    assert complete(amphora, "build", "--progress", "q") == ["quiet"]


@pytest.mark.parametrize("words", [("volume", "rm"), ("rm",), ("push",), ("builder", "use")])
def test_who_completes_a_name_sees_no_error(amphora, words):
    directory = amphora.home / "amphora"
    directory.mkdir()
    (directory / "config.toml").write_text("no TOML")
    amphora.environment["XDG_CONFIG_HOME"] = str(amphora.home)
    assert complete(amphora, *words, "de") in ([], ["default"])


def test_image_names_complete(seeded):
    assert complete(seeded, "image", "inspect", "bus") == ["busybox:latest"]
    assert complete(seeded, "push", "no") == []


def test_image_names_complete_from_the_store_that_a_flag_names(seeded):
    store = seeded.environ()["AMPHORA_STORE"]
    seeded.environment["AMPHORA_STORE"] = "/nowhere"
    assert complete(seeded, "verify", "b") == []
    assert complete(seeded, "--store", store, "verify", "b") == ["busybox:latest"]


def test_completing_makes_no_store(amphora):
    assert complete(amphora, "verify", "x") == []
    assert not amphora.store.exists()


def test_completing_says_nothing_of_a_broken_store(amphora):
    amphora.store.mkdir()
    (amphora.store / "index.db").write_text("this is no database" * 100)
    assert complete(amphora, "verify", "x") == []


# Progress and JSON

privileged = pytest.mark.privileged


@privileged
def test_plain_progress(seeded, context):
    directory = context("FROM busybox\nRUN echo one; echo two >&2\nCOPY Dockerfile /\n")
    arguments = ("build", "--progress", "plain", directory)
    first = seeded(*arguments).stderr
    for line in filter(None, first.splitlines()):
        assert re.fullmatch(
            r"#\d+ (\[linux/\w+\] .+|\d+\.\d{3} .*|DONE \d+\.\ds \((native|worker)\))", line
        ), line
    number = re.search(r"#(\d+) .*RUN echo one", first)[1]
    assert re.search(rf"#{number} [0-9.]+ one\n#{number} [0-9.]+ two\n#{number} DONE", first)
    second = seeded(*arguments).stderr
    assert len(re.findall(r"^#\d+ CACHED$", second, re.MULTILINE)) == 2
    assert "echo" not in re.sub(r"RUN echo.*", "", second)


@privileged
def test_quiet_prints_the_digest_alone(seeded, context):
    done = seeded("build", "-q", context("FROM busybox\nRUN true\n"))
    assert done.stderr == ""
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.stdout)


@privileged
def test_json_is_json(seeded, context):
    directory = context("FROM busybox\nRUN true\nCMD true\n")
    built = json.loads(
        seeded.ok("build", "--platform", BOTH, "-t", "it", "--format", "json", directory)
    )
    (listed,) = (
        image
        for image in json.loads(seeded.ok("image", "ls", "--format", "json"))
        if image["name"].endswith("/it:latest")
    )
    inspected = json.loads(seeded.ok("image", "inspect", "--format", "json", "it"))
    reports = json.loads(seeded.ok("verify", "--format", "json", "it"))
    assert built["digest"] == listed["digest"] == inspected["digest"]
    assert listed == inspected
    for documents in (built["variants"], inspected["variants"], reports):
        assert [item["platform"] for item in documents] == BOTH.split(",")
    assert json.loads(seeded.ok("store", "check", "--format", "json")) == []


@privileged
def test_a_reader_that_goes_away_is_no_error_to_tell(seeded):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        done = subprocess.run(
            seeded.command("image", "ls"),
            env=seeded.environ(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")


# On a terminal


@privileged
def test_a_build_on_a_terminal_is_shown_live_and_leaves_a_clean_screen(seeded, context):
    directory = context("FROM busybox\nRUN echo hearing; sleep 1; echo gone\n")
    terminal = Terminal(seeded, "build", "-t", "it", directory)
    terminal.read_until(rb"RUN echo hearing.*hearing")
    assert terminal.end() == 0
    assert terminal.seen.count(b"\x1b[?25l") == terminal.seen.count(b"\x1b[?25h")
    screen = [line for line in terminal.screen() if line]
    assert re.fullmatch(r"✓ .* RUN echo hearing; .* \d\.\ds native", screen[-4])
    assert screen[-3].startswith("PLATFORM")
    assert screen[-1].endswith(" it:latest")
    assert "gone" not in " ".join(screen[-4:]).replace("echo gone", "")


@privileged
def test_ctrl_c_on_a_terminal(seeded, context, remains):
    directory = context("FROM busybox\nRUN echo hearing; while sleep 1; do : amphora-pty; done\n")
    terminal = Terminal(seeded, "build", "--platform", BOTH, directory)
    terminal.read_until(rb"(?s)RUN echo hearing.*hearing")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert terminal.seen.count(b"interrupted") == 1
    assert b"Traceback" not in terminal.seen
    assert terminal.seen.count(b"\x1b[?25l") == terminal.seen.count(b"\x1b[?25h")
    assert not remains.processes("amphora-pty")
    assert not remains.processes()
    assert not remains.mounts()
    assert not remains.files()
    seeded.ok("store", "check")


@privileged
def test_ctrl_c_while_a_push_is_on_its_way_to_nobody(seeded, context, remains):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}/it"
        seeded.ok("build", "-t", name, context("FROM busybox\n"))
        terminal = Terminal(seeded, "push", name)
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            terminal.type(b"\x03")
            assert terminal.end() == 130
    assert b"Traceback" not in terminal.seen
    assert not remains.processes()
