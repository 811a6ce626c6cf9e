"""Runs on the arm64 machine, at each boot: commands as a person types them, and what must hold.

The first boot registers an emulator and restarts the machine; the second finds it still there,
and does the rest. Only if all of it holds the last line says so. Of the standard library alone:
Amphora is what is on trial here.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

#: The last line, if all of it holds.
VERDICT = "All of it holds."

#: Here the first boot notes that it was.
RESTARTED = Path("/var/lib/prove-restarted")
EXPECTED = Path("/srv/expected.json")
REPORT = Path("/run/report.json")

AMD64 = "/srv/busybox/amd64/bin/busybox"
BOTH = "--platform linux/amd64,linux/arm64"
#: There is no network here, and the base comes from a directory.
TOOLS = "--network none --build-context tools=oci-layout:///srv/tools"
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}

POWER_OFF, REBOOT = signal.SIGRTMIN + 4, signal.SIGRTMIN + 5

#: Exit status of bash(1) for what the kernel does not execute; others take it for a script.
CANNOT_EXECUTE = 126
#: … and of `amphora verify` for a variant that is not what its label says.
WRONG_LABEL = 50


#: What does not hold: all of it is found in one run.
FAILURES: list[str] = []


def main() -> int:
    if not RESTARTED.exists():
        what_this_is()
        registers_an_emulator()
        RESTARTED.touch()
        print("\n# It restarts.", flush=True)
        return 1 if FAILURES else end(REBOOT)
    survives_a_restart()
    other_emulators()
    containers_of_both()
    as_an_ordinary_user()
    builds_with_handoff()
    if not FAILURES:
        print(VERDICT, flush=True)
    return 1 if FAILURES else end(POWER_OFF)


def what_this_is() -> None:
    title("The machine")
    run("uname -srm", " aarch64$")
    run("grep PRETTY_NAME /etc/os-release", "Debian GNU/Linux 13")
    run("amphora version", r"^host +linux/arm64$", r"^crun +1", r"^linux/amd64 +qemu-x86_64 1")


def registers_an_emulator() -> None:
    title("amd64 programs on the machine itself")
    # Debian's box64 has registered itself, in a way that works in no container.
    run("amphora emulator status amd64", "^linux/amd64 +emulated +box64 ", "without the flag F")
    run("amphora emulator install amd64", "lacks the flag F", "^1 changed, 0 left", "zz-amphora")
    run("amphora emulator ls", r"^amphora-x86_64 .* POF (.*\n)*box64 ")
    run(f"{AMD64} uname -m", "^x86_64$")


def survives_a_restart() -> None:
    title("After the restart")
    run("amphora emulator verify amd64", "amphora-x86_64 .*zz-amphora.conf")
    run(f"{AMD64} uname -m", "^x86_64$")


def other_emulators() -> None:
    title("Another emulator, and none")
    run("amphora emulator install amd64 --with box64", "^1 changed")
    # No program of busybox's: it is static, and box64 0.3.4 ends those with a status of its own.
    run("amphora emulator ls", "^amphora-x86_64 .* /usr/bin/box64 ")
    run("amphora emulator uninstall", "^1 changed")
    run("amphora emulator reset", "^1 changed")
    run(f"bash -c '{AMD64} uname -m'", "Exec format error", status=CANNOT_EXECUTE)


def containers_of_both() -> None:
    title("Containers, with emulators of their own")
    run(f"amphora build {BOTH} -t busybox /srv/busybox", "^linux/amd64 .*\nlinux/arm64 ")
    run("amphora run --platform linux/amd64 busybox uname -m", "^x86_64$")
    run("amphora run busybox uname -m", "^aarch64$")
    run("amphora verify busybox", "amd64 +emulated .* ok +x86_64$", "arm64 +native .* ok +aarch64$")
    # The table is the worker's own: the machine's still has nothing in it.
    run(f"bash -c '{AMD64} uname -m'", "Exec format error", status=CANNOT_EXECUTE)
    liar = "-f /srv/busybox/liar.Dockerfile --platform linux/amd64"
    run(f"amphora build -q {liar} -t liar /srv/busybox", "^sha256:")
    run("amphora run --platform linux/amd64 liar", "^aarch64$")
    denied = "started /other/busybox, which is for another CPU, and was not let"
    run("amphora verify --allow /other/busybox liar", denied, status=WRONG_LABEL)


def as_an_ordinary_user() -> None:
    title("The same for an ordinary user")
    typed = f"amphora build -q {BOTH} -t busybox /srv/busybox"
    run(f"su -l keeper -c {shlex.quote(typed)}", "^sha256:")
    typed = "amphora run --platform linux/amd64 busybox sh -c 'uname -m; id -u'"
    run(f"su -l keeper -c {shlex.quote(typed)}", "^x86_64\n0$")
    both = ("amd64 +emulated .* ok ", "arm64 +native .* ok ")
    run("su -l keeper -c 'amphora verify busybox'", *both)


def builds_with_handoff() -> None:
    title("A build for both, amd64's programs handed off to arm64's")
    run(
        f"amphora build {BOTH} {TOOLS} -t work --handoff-report {REPORT} /srv/work",
        r"^#\d+ \d+% of \d+ programs handed off",
        r"DONE [\d.]+s \(handoff\)$",
        r"DONE [\d.]+s \(native\)$",
    )
    handed_off = json.loads(REPORT.read_text())[0]["handed_off"]
    wanted = {"sh", "sed", "tar", "gzip", "gcc", "cc1", "as", "collect2", "ld"}
    missing = wanted.difference(re.split("[/-]", path)[-1] for path in handed_off)
    require(not missing, f"{', '.join(missing)} were not handed off, but: {handed_off}")
    run("amphora run --platform linux/amd64 work", "^hello from x86_64$")
    run("amphora run work", "^hello from aarch64$")

    title("The same bytes")
    pure = "--platform linux/amd64 --handoff off --no-cache"
    run(f"amphora build {pure} {TOOLS} -t pure /srv/work", r"DONE [\d.]+s \(emulated\)$")
    built, expected = variants("work"), json.loads(EXPECTED.read_text())
    require(variants("pure")["linux/amd64"] == built["linux/amd64"], "emulation has other layers")
    print("# pure emulation: the same layers", flush=True)
    require(built == expected, f"the other machine built {expected}, this one {built}")
    print("# the x86-64 machine that made this one: the same layers for both platforms", flush=True)
    run("amphora store check", "")


def variants(name: str) -> dict[str, list[str]]:
    """The diff IDs of an image, by platform."""
    image = json.loads(output(["amphora", "image", "inspect", name, "--format", "json"]))
    return {
        variant["platform"]: [layer["diff_id"] for layer in variant["layers"]]
        for variant in image["variants"]
    }


def run(typed: str, *expressions: str, status: int = 0) -> None:
    """Run a command, show what it prints, and hold it to its status and to what it must print."""
    print(f"$ {typed}", flush=True)
    started = time.monotonic()
    with subprocess.Popen(
        shlex.split(typed),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**EPOCH, "PATH": "/usr/local/bin:/usr/bin:/usr/sbin", "HOME": "/root"},
        text=True,
    ) as process:
        said = ""
        for line in process.stdout or ():
            print(line, end="", flush=True)
            said += line
    print(f"# {time.monotonic() - started:.1f} s", flush=True)
    require(process.returncode == status, f"{typed}: status {process.returncode}, not {status}")
    for expression in expressions:
        found = re.search(expression, said, re.MULTILINE)
        require(found is not None, f"{typed}: nothing matches {expression!r}")


def output(command: list[str]) -> str:
    return subprocess.check_output(command, text=True)


def title(text: str) -> None:
    print(f"\n## {text}\n", flush=True)


def require(holds: bool, reason: str) -> None:
    if not holds:
        FAILURES.append(reason)
        print(f"DOES NOT HOLD: {reason}", flush=True)


def end(signal_number: int) -> int:
    """Ask systemd, by a signal as systemd(1) has them: there is no bus here to ask it over."""
    os.kill(1, signal_number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
