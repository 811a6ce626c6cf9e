"""One variant's own run: its command to its end, or until it is healthy."""

import asyncio
import re
import time
from collections.abc import Sequence

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.runtime.beside import Beside
from amphora.runtime.service import Service, served
from amphora.runtime.spec import Container, Network
from amphora.verify.ground import Ground, Heard, Variant
from amphora.verify.health import Health, HealthCheck, health_check_of

#: How much of what a health check said is repeated, in characters.
_TAIL = 300


class VariantReport(Struct, frozen=True):
    """What a variant did: `architecture` is that of the program that ran, `problem` None if good.

    `output` is the beginning of what it printed; `health` is docker's word for it, None if that
    was not asked for.
    """

    platform: Platform
    manifest: Descriptor
    ran: str
    program: str
    architecture: str
    status: int | None
    seconds: float
    output: str
    problem: str | None
    health: str | None = None


def not_run(variant: Variant, error: AmphoraError) -> VariantReport:
    """The report of a variant that this machine cannot run."""
    return VariantReport(
        *(variant.platform, variant.descriptor, "", "", "", None, 0.0, "", str(error))
    )


class OwnRun:
    """A run of one variant, once."""

    def __init__(
        self,
        ground: Ground,
        variant: Variant,
        *,
        command: Sequence[str],
        timeout: float,
        expect: re.Pattern[str] | None,
        health: bool,
    ) -> None:
        self._ground = ground
        self._variant = variant
        self._command = command
        self._timeout = timeout
        self._expect = expect
        self._health = health
        self._state: str | None = None
        self._heard = Heard()
        self._status: int | None = None
        self._seconds = 0.0
        self._program = ""
        self._architecture = ""

    async def report(self, where: str) -> VariantReport:
        """Run it; what is wrong is said in the report. `where` tells what the CPU is."""
        try:
            problem = await self._run()
        except AmphoraError as error:
            problem = str(error)
        return VariantReport(
            platform=self._variant.platform,
            manifest=self._variant.descriptor,
            ran=where,
            program=self._program,
            architecture=self._architecture,
            status=self._status,
            seconds=self._seconds,
            output=self._heard.text,
            problem=problem,
            health=self._state,
        )

    async def _run(self) -> str | None:
        await self._ground.unpack(self._variant)
        with self._ground.scene(self._variant) as scene:
            check = health_check_of(self._variant.config.config) if self._health else None
            # Side by side with others that listen on the same ports.
            network: Network = "none" if check else "host"
            container = scene.container(self._command, network=network)
            program = scene.program(container)
            self._program = program.path
            self._architecture = program.architecture or "unknown"
            scene.insist(program)
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._timeout):
                    problem = await (
                        self._become_healthy(container, check) if check else self._end(container)
                    )
            except TimeoutError:
                what = "become healthy" if check else "end"
                problem = f"it did not {what} within {self._timeout:g} s"
            self._seconds = time.monotonic() - began
            # Programs denied weigh most: they may be why the rest went wrong.
            return scene.denied() or problem or self._unexpected()

    async def _end(self, container: Container) -> str | None:
        self._status = await self._ground.runtime.run(container, self._heard)
        return f"it exited with status {self._status}" if self._status else None

    async def _become_healthy(self, container: Container, check: HealthCheck) -> str | None:
        """What went wrong before it was healthy."""
        health = Health(check)
        self._state = health.state
        began = time.monotonic()
        async with served(self._ground.runtime, container, self._heard) as service:
            while health.state == "starting":
                pause = health.pause(time.monotonic() - began)
                await asyncio.wait([service.end], timeout=pause)
                if service.end.done():
                    self._status = service.end.result()
                    return f"it ended, with status {self._status}, before it was healthy"
                probe_began = time.monotonic() - began
                status, said = await self._probe(service, check)
                health.note(probe_began, status)
                self._state = health.state
        return None if health.state == "healthy" else _unhealthy(check, status, said)

    async def _probe(self, service: Service, check: HealthCheck) -> tuple[int | None, str]:
        said = Heard()
        status = await service.run(Beside(check.command), said, check.timeout)
        return status, said.text.strip()

    def _unexpected(self) -> str | None:
        if self._expect is None or self._expect.search(self._heard.text):
            return None
        return f"its output has nothing in it that matches {self._expect.pattern!r}"


def _unhealthy(check: HealthCheck, status: int | None, said: str) -> str:
    ended = f"took longer than {check.timeout:g} s" if status is None else f"exited with {status}"
    words = f": {said[-_TAIL:]}" if said else ""
    return f"it is unhealthy: its health check {ended}, {check.retries} times in a row{words}"
