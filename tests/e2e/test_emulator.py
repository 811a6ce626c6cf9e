"""`amphora emulator` on this very machine, which is afterwards as it was found."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.table import BinfmtTable
from amphora.emulation.probe import program
from amphora.system import syscalls
from amphora.system.files import locked

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@pytest.fixture
def alone(tmp_path_factory):
    """There is one machine, and perhaps several processes that run tests."""
    with locked(tmp_path_factory.getbasetemp().parent / "machine.lock"):
        yield


@pytest.fixture
def spare(alone):
    """A platform that nothing runs here yet; the machine is restored, whatever the test did."""
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split()[2] != "4294967295":
        pytest.skip("only root of the machine changes its table")
    table = BinfmtTable()
    mounted = table.mounted
    table.mount()
    names = {entry.name for entry in table.entries()}
    try:
        yield next(
            name
            for name in ("s390x", "riscv64", "ppc64le")
            if not table.takers(program(name)) and find_emulator(FORMATS[name])
        )
    finally:
        for entry in table.entries():
            if entry.ours and entry.name not in names:
                table.remove(entry.name)
        if not mounted:
            syscalls.unmount(table.directory)


def test_a_platform_comes_and_goes(amphora, spare):
    entry = f"amphora-{FORMATS[spare].qemu_cpu}"
    assert amphora("emulator", "verify", spare).returncode == 50

    dry = json.loads(amphora.ok("emulator", "install", spare, "--dry-run", "--format", "json"))
    assert dry["steps"][0]["action"] == "register"
    assert dry["steps"][0]["entry"]["name"] == entry
    assert amphora("emulator", "verify", spare).returncode == 50

    assert "1 changed" in amphora.ok("emulator", "install", spare)
    assert "0 changed, 1 left" in amphora.ok("emulator", "install", spare)
    first = json.loads(amphora.ok("emulator", "ls", "--format", "json"))[0]
    assert (first["name"], first["registered_by"]) == (entry, "amphora")
    assert set(first["flags"]) == set("POF")

    amphora.ok("emulator", "verify", spare)
    status = json.loads(amphora.ok("emulator", "status", spare, "--format", "json"))
    assert status["platforms"][0]["runs"] == "emulated"
    assert status["platforms"][0]["entries"][0]["name"] == entry
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["platforms"][0]["version"])

    amphora.ok("emulator", "uninstall", spare)
    assert amphora("emulator", "verify", spare).returncode == 50


def test_a_container_s_emulator_outlives_it(amphora, spare, tmp_path):
    """`--host` in a mount namespace of its own, with an emulator that is only there."""
    inside = tmp_path / "inside"
    inside.mkdir()
    source = find_emulator(FORMATS[spare]).path.resolve()
    script = f'mount -t tmpfs none {inside} && cp {source} {inside}/qemu && exec "$@"'
    contained = replace(amphora, prefix=("unshare", "--mount", "sh", "-ec", script, "sh"))
    shown = contained.ok("emulator", "install", "--host", spare, "--with", f"qemu={inside}/qemu")
    assert "not kept here" in shown
    assert list(inside.iterdir()) == []
    amphora.ok("emulator", "verify", spare)
    entry = json.loads(amphora.ok("emulator", "ls", "--format", "json"))[0]
    assert entry["interpreter"] == f"{inside}/qemu"
    assert entry["registered_by"] == "amphora"


def test_deep_verification_runs_what_the_image_has(seeded):
    """Busybox has a shell and tar; what it lacks is told, and is no failure."""
    host = Platform.host().architecture
    reports = json.loads(
        seeded.ok(*("emulator", "verify", host, "--deep", "--image", "busybox", "--format", "json"))
    )
    results = {each["program"]: each["result"] for each in reports}
    assert results["shell pipeline"] == "ok"
    assert results["tar"] == "ok"
    assert results["node"] == "not there"


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["install", "SPARE", "--with", "bochs"], 10, "'bochs' is no emulator"),
        (["install", "SPARE", "--with", "fex=/x"], 10, "'fex=/x' is no emulator"),
        (["install", "SPARE", "--with", "box64", "--dry-run"], 24, "box64 cannot run linux/SPARE"),
        (["install", "SPARE", "--with", "qemu=/no/such"], 24, "/no/such cannot be registered"),
        (["install", "windows/amd64"], 24, "nothing runs windows/amd64 here"),
        (["install", "vax"], 10, "'vax' is not a platform"),
        (["verify", "amd64,arm64", "--deep", "--image", "no-such"], 30, "no-such"),
    ],
)
def test_refusals_say_what_to_do(amphora, spare, arguments, status, told):
    arguments = [spare if argument == "SPARE" else argument for argument in arguments]
    if arguments[0] == "verify":
        arguments = ["verify", Platform.host().architecture, *arguments[2:]]
    done = amphora("emulator", *arguments)
    assert done.returncode == status
    assert told.replace("SPARE", spare) in done.stderr
    assert "next: " in done.stderr


def test_in_a_user_namespace_the_machine_is_out_of_reach(amphora):
    contained = replace(amphora, prefix=("unshare", "--user", "--map-root-user", "--mount"))
    done = contained("emulator", "install", "--host", "all")
    assert done.returncode == 24
    assert "cannot reach the table of its machine" in done.stderr


def test_an_ordinary_user_may_look_but_not_change(amphora):
    stranger = replace(amphora, prefix=("setpriv", "--reuid=12345", "--clear-groups"))
    stranger = replace(stranger, environment={"HOME": "/nonexistent"})
    assert "PLATFORM" in stranger.ok("emulator", "status", Platform.host().architecture)
    done = stranger("emulator", "install", "all")
    assert done.returncode == 24
    assert "only root" in done.stderr
