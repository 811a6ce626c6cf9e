"""Installing for real: proven, idempotent, taken back where it does not work."""

import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from amphora.core.errors import EmulatorError
from amphora.core.platform import Platform
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.change import carry_out, ours
from amphora.emulation.host.choice import Wish, wanted_entry
from amphora.emulation.host.entry import TRIAL
from amphora.emulation.host.plan import plan_install, plan_reset, plan_uninstall, plan_update
from amphora.emulation.host.status import dangers, examine
from amphora.emulation.probe import program, runs

pytestmark = pytest.mark.privileged

HOST = Platform.host()
ALIEN = Platform.parse("s390x")
NAMED = [each for each in ("arm64", "arm/v7", "riscv64", "s390x", "ppc64le") if each != str(HOST)]
QEMU = find_emulator(FORMATS["s390x"]).path


def other_qemu(cpu):
    return Wish("qemu", find_emulator(FORMATS[cpu]).path)


@pytest.mark.parametrize("platform", NAMED)
def test_platforms_run_once_they_are_installed(on_host, platform):
    def inside(host):
        wanted = Platform.parse(platform)
        return runs(wanted), host.install(platform), runs(wanted), host.install(platform)

    before, first, after, second = on_host(inside)
    assert (before, after) == (False, True)
    assert list(first.values()) == ["register"]
    assert list(second.values()) == ["keep"]


def test_all_is_every_platform_and_the_cpu_s_own_are_left_alone(on_host):
    def inside(host):
        done = host.install()
        return done, [(str(each.platform), each.ran) for each in examine(host.machine)]

    done, ran = on_host(inside)
    assert done[str(HOST)] == "native"
    assert {"register", "native"} == set(done.values())
    assert len(done) == len(FORMATS)
    assert {how for _, how in ran} == {"native", "emulated"}
    if HOST.architecture == "amd64":
        assert done["linux/386"] == "native"


def test_what_does_not_prove_itself_is_taken_back(on_host):
    """ARM's emulator for s390x: the old entry has it before, meanwhile and afterwards."""

    def inside(host):
        fresh = host.install("s390x", wish=other_qemu("arm")), host.names()
        host.install("s390x")
        before = host.machine.table.entries()
        failed = host.install("s390x", wish=other_qemu("arm"))
        return fresh, failed, host.machine.table.entries() == before, runs(ALIEN)

    (failed_fresh, left), failed, same, works = on_host(inside)
    assert "does not run linux/s390x" in failed_fresh["linux/s390x"]
    assert left == []
    assert failed == failed_fresh
    assert same
    assert works


def test_what_works_is_kept_beside_what_does_not(on_host):
    def inside(host):
        return host.install("s390x", "arm", wish=other_qemu("arm")), host.names()

    done, names = on_host(inside)
    assert done["linux/arm/v7"] == "register"
    assert "does not run" in done["linux/s390x"]
    assert names == ["amphora-arm"]


def test_when_the_system_refuses_all_is_as_before(on_host):
    """/etc/binfmt.d is a file: nothing can be made to last."""

    def inside(host):
        host.has_systemd()
        host.install("riscv64")
        shutil.rmtree("/etc/binfmt.d")
        Path("/etc/binfmt.d").touch()
        before = host.machine.table.entries()
        try:
            host.install("s390x", "arm64")
        except EmulatorError as error:
            told = error.what, error.why
        after = host.machine.table.entries()
        return told, [each.name for each in before] == [each.name for each in after]

    (what, why), same = on_host(inside)
    assert what == "what is registered will be lost at the next reboot"
    assert why.startswith("/etc/binfmt.d")
    assert same


def test_a_run_that_was_killed_is_tidied_up(on_host):
    def inside(host):
        wanted = wanted_entry(ALIEN, Wish(), credentials=False)
        host.machine.table.register(replace(wanted, name=f"{TRIAL}s390x"))
        host.machine.table.register(
            replace(
                wanted_entry(Platform.parse("arm"), Wish(), credentials=False), name=f"{TRIAL}x"
            )
        )
        noted = examine(host.machine, [ALIEN])[0].problems
        return noted, host.install("s390x"), host.names(), runs(ALIEN)

    noted, done, names, works = on_host(inside)
    assert "left it on trial" in noted[0]
    assert done == {"linux/s390x": "replace"}
    assert names == ["amphora-s390x"]
    assert works


def test_an_upgraded_emulator_is_noticed_and_pinned_anew(on_host, tmp_path):
    """The kernel keeps the file it opened: the old one runs on, although it is gone."""
    path = tmp_path / "qemu"

    def upgrade():
        shutil.copy(QEMU, tmp_path / "new")
        (tmp_path / "new").rename(path)

    def inside(host):
        upgrade()
        host.install("s390x", wish=Wish("qemu", path))
        before = [str(step.action) for step in plan_update(host.machine)]
        upgrade()
        stale = host.machine.stale(ours(host.machine)[0])
        problems = examine(host.machine, [ALIEN])[0].problems
        carry_out(host.machine, plan_update(host.machine), None)
        return before, stale, problems, host.machine.stale(ours(host.machine)[0]), runs(ALIEN)

    before, stale, problems, still, works = on_host(inside)
    assert before == ["keep"]
    assert stale
    assert f"{path} was replaced since; `amphora emulator update`" in problems
    assert not still
    assert works


def test_nothing_takes_this_machine_s_own_programs(on_host):
    """Somebody else's entry for this very CPU: no program starts until it is removed."""

    def inside(host):
        own = FORMATS[HOST.architecture]
        entry = replace(
            wanted_entry(ALIEN, Wish(), credentials=False),
            name="disaster",
            magic=own.magic,
            mask=own.mask,
        )
        host.machine.table.register(entry)
        try:
            named = [each.name for each in dangers(host.machine)]
            started = runs(HOST)
            plan_install(host.machine, [HOST])
        except EmulatorError as error:
            return named, started, error.why, error.next_command
        finally:
            host.machine.table.remove("disaster")

    named, started, why, following = on_host(inside)
    assert named == ["disaster"]
    assert not started
    assert "nothing would start any more" in why
    assert following.endswith("/proc/sys/fs/binfmt_misc/disaster")


@pytest.mark.parametrize("credentials", [True, False])
def test_set_uid_programs_and_what_it_costs(on_host, credentials):
    """With C the program has its owner's rights; and the caller has QEMU write as its owner."""

    def inside(host):
        host.install("s390x", credentials=credentials)
        Path("/run/closed").mkdir(mode=0o700)
        path = Path("/run/program")
        path.write_bytes(program("s390x"))
        path.chmod(0o4755)
        subprocess.run(
            [path],
            user=77,
            group=77,
            extra_groups=[],
            env={"QEMU_LOG": "in_asm", "QEMU_LOG_FILENAME": "/run/closed/written"},
            stderr=subprocess.DEVNULL,
            check=False,
        )
        noted = any("flag C" in problem for problem in examine(host.machine, [ALIEN])[0].problems)
        again = host.install("s390x", credentials=credentials)
        return Path("/run/closed/written").exists(), noted, again, host.install("s390x")

    written, noted, again, without = on_host(inside)
    assert written is credentials
    assert noted is credentials
    assert again == {"linux/s390x": "keep"}
    assert without == {"linux/s390x": "replace" if credentials else "keep"}


def test_a_table_that_was_switched_off_is_switched_on(on_host):
    def inside(host):
        host.install("s390x")
        (host.machine.table.directory / "status").write_text("0")
        off = runs(ALIEN), examine(host.machine, [ALIEN])[0].ran
        return off, host.install("s390x"), runs(ALIEN)

    assert on_host(inside) == ((False, "no"), {"linux/s390x": "register"}, True)


def test_uninstall_removes_ours_and_reset_everybody_s(on_host):
    def inside(host):
        host.install("s390x", "arm64", "riscv64")
        other = wanted_entry(ALIEN, Wish(), credentials=False)
        host.machine.table.register(replace(other, name="qemu-s390x"))
        script = replace(other, name="script", magic=b"#?", mask=b"\xff\xff")
        host.machine.table.register(script)
        carry_out(host.machine, plan_uninstall(host.machine, [ALIEN]), None)
        some = host.names()
        carry_out(host.machine, plan_uninstall(host.machine), None)
        none = host.names()
        carry_out(host.machine, plan_reset(host.machine), None)
        return some, none, [each.name for each in host.machine.table.entries()]

    some, none, left = on_host(inside)
    assert sorted(some) == sorted({"qemu-s390x", "amphora-riscv64", "amphora-aarch64"})
    assert none == ["qemu-s390x"]
    assert left == ["script"]
