"""After a reboot: the table is unmounted and mounted, and what the init system starts is run.

systemd-binfmt is systemd's own program; the unit's script is run as the unit would run it.
"""

import re
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.host.change import carry_out
from amphora.emulation.host.persistence import FILE, find_persistence
from amphora.emulation.host.plan import plan_uninstall
from amphora.emulation.host.status import examine
from amphora.emulation.probe import runs

pytestmark = pytest.mark.privileged

ALIENS = [Platform.parse(each) for each in ("s390x", "riscv64")]
SYSTEMD_BINFMT = Path("/usr/lib/systemd/systemd-binfmt")
UNIT = Path("/etc/systemd/system/amphora-emulators.service")
needs_systemd = pytest.mark.skipif(not SYSTEMD_BINFMT.exists(), reason="needs systemd-binfmt")


def state(host):
    """What runs, through which entry, and what is said to bring it back."""
    return [
        (each.ran, each.entry.name if each.entry else "", each.lasts)
        for each in examine(host.machine, ALIENS)
    ]


def mask_systemd_binfmt():
    Path("/etc/systemd/system/systemd-binfmt.service").symlink_to("/dev/null")


@needs_systemd
def test_systemd_binfmt_registers_what_was_installed(on_host):
    def inside(host):
        host.has_systemd()
        host.install("s390x", "riscv64")
        before = state(host)
        host.reboot()
        lost = [runs(each) for each in ALIENS]
        host.reboot(SYSTEMD_BINFMT)
        return find_persistence(host.machine.root).kind, before, lost, state(host)

    kind, before, lost, after = on_host(inside)
    assert kind == "systemd-binfmt"
    assert lost == [False, False]
    assert before == after
    assert after == [
        ("emulated", "amphora-s390x", f"/{FILE}"),
        ("emulated", "amphora-riscv64", f"/{FILE}"),
    ]


def test_the_unit_of_our_own_does_where_systemd_binfmt_is_masked(on_host):
    def inside(host):
        host.has_systemd()
        mask_systemd_binfmt()
        host.install("s390x", "riscv64")
        started = re.search(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)[1]
        wanted = Path("/etc/systemd/system/multi-user.target.wants", UNIT.name).resolve()
        before = state(host)
        host.reboot(started)
        after = state(host)
        # A second start changes nothing and fails at nothing.
        host.reboot(started, started)
        return wanted == UNIT, before, after, state(host)

    wanted, before, after, again = on_host(inside)
    assert wanted
    assert before == after == again
    assert [each[0] for each in after] == ["emulated", "emulated"]


def test_openrc_s_service_is_put_into_a_runlevel(on_host):
    def inside(host):
        Path("/run/openrc").mkdir()
        Path("/etc/init.d").mkdir(exist_ok=True)
        Path("/etc/init.d/binfmt").write_text("#!/sbin/openrc-run\n")
        host.install("s390x")
        link = Path("/etc/runlevels/boot/binfmt").readlink()
        return find_persistence(host.machine.root).kind, link, Path("/", FILE).read_text()

    kind, link, text = on_host(inside)
    assert (kind, link) == ("openrc", Path("/etc/init.d/binfmt"))
    assert ":amphora-s390x:M:" in text


def test_without_an_init_system_it_is_said_that_it_is_lost(on_host):
    def inside(host):
        host.install("s390x")
        return find_persistence(host.machine.root), state(host)[0], Path("/", FILE).exists()

    persistence, status, written = on_host(inside)
    assert persistence.kind == "none"
    assert status == ("emulated", "amphora-s390x", "")
    assert not written


@pytest.mark.parametrize("masked", [False, True])
def test_uninstalling_leaves_no_file(on_host, masked):
    def inside(host):
        host.has_systemd()
        if masked:
            mask_systemd_binfmt()
        before = set(Path("/etc").rglob("*"))
        host.install("s390x", "riscv64")
        for platforms in (ALIENS[:1], ALIENS[1:]):
            plan = plan_uninstall(host.machine, platforms)
            carry_out(host.machine, plan, find_persistence(host.machine.root))
            kept = FILE if Path("/", FILE).exists() else ""
        after = {each for each in Path("/etc").rglob("*") if not each.is_dir()}
        return kept, after - before

    assert on_host(inside) == ("", set())


def test_only_what_is_left_of_ours_is_registered_at_the_next_boot(on_host):
    def inside(host):
        host.has_systemd()
        mask_systemd_binfmt()
        host.install("s390x", "riscv64")
        plan = plan_uninstall(host.machine, ALIENS[:1])
        carry_out(host.machine, plan, find_persistence(host.machine.root))
        host.reboot("/etc/amphora/register-emulators")
        return host.names()

    assert on_host(inside) == ["amphora-riscv64"]
