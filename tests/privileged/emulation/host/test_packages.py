"""Beside Debian's packages: what works is left to them, what does not is put right.

Release 13's qemu-user-binfmt is registered by systemd-binfmt, release 12's
qemu-user-static here by binfmt-support; both are the packages themselves.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.host.change import carry_out
from amphora.emulation.host.choice import Wish
from amphora.emulation.host.persistence import find_persistence
from amphora.emulation.host.plan import plan_uninstall
from amphora.emulation.host.status import examine
from amphora.emulation.probe import runs

pytestmark = pytest.mark.privileged

ALIEN = Platform.parse("s390x")
SYSTEMD_BINFMT = Path("/usr/lib/systemd/systemd-binfmt")
needs_systemd = pytest.mark.skipif(not SYSTEMD_BINFMT.exists(), reason="needs systemd-binfmt")


UPDATE_BINFMTS = "/usr/sbin/update-binfmts"


def update_binfmts(*arguments):
    Path("/var/lib/binfmts").mkdir(exist_ok=True)
    subprocess.run([UPDATE_BINFMTS, *arguments], check=True)


def own_qemu(directory):
    """A QEMU of one's own, to ask for with --with."""
    return Wish("qemu", Path(shutil.copy("/usr/bin/qemu-s390x-static", directory)))


@needs_systemd
def test_what_qemu_user_binfmt_registers_is_adopted(on_host, packages):
    def inside(host):
        host.has_systemd()
        listing = Path("/var/lib/dpkg/info/qemu-user-binfmt.list")
        listing.parent.mkdir(parents=True)
        listing.write_text("/usr/lib/binfmt.d/qemu-s390x.conf\n")
        subprocess.run([SYSTEMD_BINFMT], check=True)
        done = host.install("s390x")
        status = examine(host.machine, [ALIEN])[0]
        return done, status.entry.interpreter, status.owner, status.version, status.lasts

    done, interpreter, owner, version, lasts = on_host(inside, packages=packages["trixie"])
    assert done == {"linux/s390x": "keep"}
    assert interpreter == "/usr/libexec/qemu-binfmt/s390x-binfmt-P"
    assert lasts == "/usr/lib/binfmt.d/qemu-s390x.conf"
    assert owner == f"qemu-user-binfmt ({lasts})"
    assert version.startswith("10.")


@needs_systemd
def test_ours_wins_over_qemu_user_binfmt_also_after_a_reboot(on_host, packages, tmp_path):
    def inside(host):
        host.has_systemd()
        subprocess.run([SYSTEMD_BINFMT], check=True)
        done = host.install("s390x", wish=own_qemu(tmp_path))
        before = examine(host.machine, [ALIEN])[0]
        host.reboot(SYSTEMD_BINFMT)
        after = examine(host.machine, [ALIEN])[0]
        carry_out(host.machine, plan_uninstall(host.machine), find_persistence(host.machine.root))
        host.reboot(SYSTEMD_BINFMT)
        return done, before, after, examine(host.machine, [ALIEN])[0]

    done, before, after, without = on_host(inside, packages=packages["trixie"])
    assert done == {"linux/s390x": "replace"}
    for status in (before, after):
        assert status.proven
        assert [each.name for each in status.takers] == ["amphora-s390x", "qemu-s390x"]
        assert any("qemu-s390x" in each and "is idle" in each for each in status.problems)
    assert [each.name for each in without.takers] == ["qemu-s390x"]
    assert without.proven


def test_what_binfmt_support_registers_is_adopted(on_host, packages):
    def inside(host):
        # What the package's postinst does.
        update_binfmts("--import", "qemu-s390x")
        done = host.install("s390x")
        status = examine(host.machine, [ALIEN])[0]
        return done, status.proven, status.owner, status.lasts

    done, proven, owner, lasts = on_host(inside, packages=packages["bookworm"])
    assert done == {"linux/s390x": "keep"}
    assert proven
    assert owner == "binfmt-support, for qemu-user-static"
    assert lasts == "binfmt-support"


@needs_systemd
def test_a_broken_entry_of_binfmt_support_is_put_behind_ours_at_every_boot(on_host, packages):
    """Its service starts after systemd-binfmt, so its entry comes last: our unit comes later."""
    magic = r"\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16"

    def boot_services():
        for service in ("systemd-binfmt", "binfmt-support", "amphora-emulators"):
            unit = next(
                path
                for place in ("/etc", "/usr/lib", "/lib")
                if (path := Path(place, f"systemd/system/{service}.service")).exists()
            ).read_text()
            started = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
            yield service, re.findall(r"^After=(.*)$", unit, re.MULTILINE), started

    def inside(host):
        host.has_systemd()
        update_binfmts(
            *("--package", "x", "--install", "foreign", "/usr/bin/true", "--magic", magic)
        )
        broken = runs(ALIEN)
        done = host.install("s390x")
        works = runs(ALIEN)
        services = list(boot_services())
        host.reboot()
        ran = []
        for _, _, started in services:
            subprocess.run(started, check=True)
            ran.append(runs(ALIEN))
        return broken, done, works, services, ran, host.names()

    broken, done, works, services, ran, names = on_host(inside, packages=packages["bookworm"])
    assert not broken
    assert done == {"linux/s390x": "replace"}
    assert works
    after = {service: " ".join(lines).split() for service, lines, _ in services}
    assert "systemd-binfmt.service" in after["binfmt-support"]
    assert "binfmt-support.service" in after["amphora-emulators"]
    assert ran == [True, False, True]
    assert names[:2] == ["amphora-s390x", "foreign"]
