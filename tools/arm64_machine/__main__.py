"""`make arm64-machine`: an arm64 Debian system, made here, boots, and Amphora is proven on it.

Amphora builds the system as an image and puts it onto a disk, with itself; QEMU emulates the
machine. What `system/prove.py` types and sees there goes to docs/arm64-host.md. Works as root
and as an ordinary user. No network but for what is installed beforehand, nothing left behind
but images in the store.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from amphora.cli.guard import guarded
from cargo import load
from console import Console
from machine import Machine, boot, emulator
from page import write_log

HERE = Path(__file__).parent
AMPHORA = Path(sys.executable).with_name("amphora")
BASE = "debian:trixie"
#: They stay in the store, for the next time.
SYSTEM, WORK = "arm64-machine/system", "arm64-machine/work"
BOTH = "linux/amd64,linux/arm64"
#: The seconds that the machine may take.
LIMIT = 1800


def main() -> int:
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    with tempfile.TemporaryDirectory(prefix="arm64-machine-", dir="/var/tmp") as scratch:
        machine = make(Path(scratch))
        started = time.monotonic()
        console = Console()
        asyncio.run(boot(machine.command, console.hear, LIMIT))
        seconds = time.monotonic() - started
    if not console.proven:
        print("\nIt was not proven: see above what does not hold, or where it ended.")
        return 1
    write_log(console.log, emulator(), seconds)
    print(f"\nProven in {seconds:.0f} s; docs/arm64-host.md has the log.")
    return 0


def make(scratch: Path) -> Machine:
    """The machine's disk and kernel, in the directory."""
    if not has_base():
        packages = ("--include", "gcc,libc6-dev,make")
        amphora("base", "create", BASE, "--platform", BOTH, *packages)
    cargo = scratch / "cargo"
    layout = cargo / "srv/tools"
    tools = ("-f", HERE / "tools.Dockerfile", "-o", f"type=oci,tar=false,dest={layout}")
    layout.parent.mkdir(parents=True)
    amphora("build", "--platform", BOTH, *tools, HERE / "work")
    (cargo / "srv/expected.json").write_text(json.dumps(built_here(layout)))
    amphora("build", "--platform", "linux/arm64", "-t", SYSTEM, HERE / "system")
    load(cargo)
    machine = Machine(scratch / "disk", scratch / "kernel")
    paths = map(str, (HERE / "disk.py", cargo, machine.disk, machine.kernel))
    subprocess.run([sys.executable, *paths, SYSTEM], check=True)
    return machine


def has_base() -> bool:
    for image in json.loads(said("image", "ls", "--format", "json")):
        if image["name"].endswith(f"/{BASE}"):
            return {item["platform"] for item in image["variants"]} >= set(BOTH.split(","))
    return False


def built_here(layout: Path) -> dict[str, list[str]]:
    """What this machine makes of the work: the diff IDs, by platform."""
    base = ("--build-context", f"tools=oci-layout://{layout}")
    amphora("build", "--platform", BOTH, *base, "-t", WORK, HERE / "work")
    image: dict[str, Any] = json.loads(said("image", "inspect", WORK, "--format", "json"))
    return {
        variant["platform"]: [layer["diff_id"] for layer in variant["layers"]]
        for variant in image["variants"]
    }


def amphora(*arguments: object) -> None:
    """Run the program and let it speak for itself; what it cannot do ends us."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ amphora {' '.join(words)}", flush=True)
    done = subprocess.run([AMPHORA, *words], check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def said(*arguments: str) -> str:
    return subprocess.check_output([AMPHORA, *arguments], text=True)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
