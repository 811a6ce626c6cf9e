"""What crashes in QEMU as the first process of a container ends; what does not, goes on."""

import asyncio
import struct

import pytest

from amphora.core.platform import Platform
from amphora.emulation.probe import executable
from amphora.emulation.support import Emulation
from amphora.runtime.container import Runtime
from amphora.runtime.spec import Container

pytestmark = pytest.mark.privileged

HOST = Platform.host()
FOREIGN = Platform.parse("linux/amd64" if HOST.architecture == "arm64" else "linux/arm64")

#: Machine code that reads address 0, and that is none.
_FAULTS = {
    ("arm64", 139): struct.pack("<2I", 0xD2800000, 0xF9400001),  # mov x0, 0; ldr x1, [x0]
    ("arm64", 132): struct.pack("<I", 0),  # udf 0
    ("amd64", 139): bytes.fromhex("31c0 488b00"),  # xor eax, eax; mov rax, [rax]
    ("amd64", 132): bytes.fromhex("0f0b"),  # ud2
}


def put(code):
    """A program of the machine code alone, in the root of the container."""

    def prepare(root):
        program = root / "crashes"
        program.write_bytes(code)
        program.chmod(0o755)
        return {}

    return prepare


@pytest.mark.parametrize("status", [139, 132])
@pytest.mark.parametrize("platform", [HOST, FOREIGN], ids=str)
def test_a_program_that_does_wrong_ends(execute, platform, status):
    code = executable(platform.architecture, _FAULTS[platform.architecture, status])
    done, _ = execute("/crashes", "", platform=platform, prepare=put(code))
    assert done == status
    # Not as the first process, it always did.
    done, output = execute("/crashes; echo $?", platform=platform, prepare=put(code))
    assert (done, output.split()[-1]) == (0, f"{status}")


@pytest.mark.parametrize(("name", "status"), [("SEGV", 139), ("ABRT", 134), ("ILL", 132)])
def test_a_signal_of_its_own_ends_a_program_in_qemu(execute, name, status):
    done, output = execute(f"echo there; kill -s {name} $$; echo not", platform=FOREIGN)
    assert done == status
    assert output.startswith("there\n")
    assert "\nnot\n" not in output


def test_on_its_own_cpu_it_is_ignored_as_with_docker(execute):
    assert execute("kill -s SEGV $$; echo still there") == (0, "still there\n")


@pytest.mark.parametrize("platform", [HOST, FOREIGN], ids=str)
def test_who_waits_for_a_signal_goes_on(execute, platform):
    """A shell sleeps in sigsuspend(2) while it waits: longer than the watch takes."""
    text = "trap 'echo heard' USR1; (sleep 0.8; kill -s USR1 1; sleep 0.8) & wait; wait; echo end"
    assert execute(text, platform=platform) == (0, "heard\nend\n")


def test_who_crashed_is_told(in_worker, mounted, busybox_root):
    image = busybox_root(FOREIGN)

    def inside():
        Emulation().prepare([FOREIGN])
        root, state = mounted(image)
        crashes = []
        arguments = ["/bin/sh", "-c", "kill -s BUS $$"]
        container = Container(root, arguments, {"PATH": "/bin"})
        run = Runtime(state).run(container, lambda _: None, on_crash=crashes.append)
        return asyncio.run(run), [(each.number, each.program) for each in crashes]

    assert in_worker(inside) == (135, [(7, "/bin/sh")])
