"""Running a container to its end with crun."""

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from amphora.runtime.crash import Crash, crash_ended, pid_in
from amphora.runtime.spec import Container, runtime_config
from amphora.system import syscalls
from amphora.system.cgroup_shared import SharedGroup
from amphora.system.process import find_tool, stream

_CGROUPS = Path("/sys/fs/cgroup")


class Runtime:
    """crun, ready to run containers in this worker; `state` is a directory for its files."""

    def __init__(
        self, state: Path, crun: Path | None = None, group: SharedGroup | None = None
    ) -> None:
        """`crun` is what to start in place of the installed one; containers are in the group.

        Raises MissingToolError when crun is not installed.
        """
        self._crun = str(crun) if crun else find_tool("crun", "crun")
        self._state = state
        self._group = group
        _prefer_unified_cgroups()

    async def run(
        self,
        container: Container,
        on_output: Callable[[bytes], None],
        on_errors: Callable[[bytes], None] | None = None,
        on_crash: Callable[[Crash], None] = lambda _crash: None,
        on_starved: Callable[[str], None] = lambda _title: None,
    ) -> int:
        """Run a container, handing on what it prints; returns its exit status.

        Its error output is part of the output unless it goes elsewhere. `on_crash` is told if
        its first process crashed in QEMU, which ends it; `on_starved` if something in it was
        killed for want of memory, by the title of the group that had no more. However this ends,
        nothing of the container is left running.
        """
        name = secrets.token_hex(8)
        placed = self._group.part() if self._group else nullcontext()
        with self.bundled(name, container) as (bundle, crun), placed as part:
            # No grace: a container's first process does not hear SIGTERM unless it wants to.
            command = [*crun, "run", "--bundle", str(bundle), "--pid-file", f"{bundle}/pid", name]
            entrances = part.entrances if part else ()
            async with crash_ended(pid_in(bundle / "pid")) as watch:
                status = await stream(
                    part.command(command) if part else command,
                    on_output,
                    on_errors=on_errors,
                    pass_fds=entrances,
                    grace=0,
                )
            if self._group and part and part.starved():
                on_starved(self._group.title)
        if watch.crash is None:
            return status
        on_crash(watch.crash)
        return watch.crash.status

    @contextmanager
    def bundled(self, name: str, container: Container) -> Iterator[tuple[Path, Sequence[str]]]:
        """A directory with the configuration of a container, and how crun is called for it."""
        bundle = self._state / name
        bundle.mkdir()
        try:
            config = msgspec.json.encode(runtime_config(container))
            (bundle / "config.json").write_bytes(config)
            yield bundle, crun_command(self._crun, bundle)
        finally:
            shutil.rmtree(bundle)


def crun_command(crun: str, bundle: Path) -> Sequence[str]:
    """How crun is called for the container of a bundle."""
    return [crun, "--root", str(bundle / "crun"), "--cgroup-manager=disabled"]


def _prefer_unified_cgroups() -> None:
    """On a host with both cgroup versions, show crun the unified one: it refuses the mix."""
    unified = _CGROUPS / "unified"
    if unified.is_dir():
        syscalls.mount(str(unified), _CGROUPS, None, syscalls.MS_BIND)
