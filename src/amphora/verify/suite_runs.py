"""Tests that run something: commands with what they print, and ports that must listen.

Each in containers of its own, on the image's files as they are.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from amphora.core.errors import AmphoraError
from amphora.oci.config import DEFAULT_PATH
from amphora.runtime.service import Service, served
from amphora.system.listening import listeners
from amphora.verify.entry import environment_of
from amphora.verify.ground import Ground, Heard, Scene, Variant
from amphora.verify.suite import Checked, CommandCheck, PortCheck, Suite
from amphora.verify.suite_checks import judged, pattern_problems, with_variables

#: Seconds between looks at the ports.
_MOMENT = 0.05
#: How much of what a failed command said is repeated.
_TAIL = 300


class SuiteRun(Struct, frozen=True):
    """The tests of a file on one variant; `timeout` is for each, in seconds."""

    ground: Ground
    variant: Variant
    suite: Suite
    timeout: float

    async def report(self) -> list[Checked]:
        """What came of each, in order, one after the other."""
        return [
            *[await self._command(check) for check in self.suite.commands],
            *[await self._ports(check) for check in self.suite.ports],
        ]

    async def _command(self, check: CommandCheck) -> Checked:
        began = time.monotonic()
        with self.ground.scene(self.variant) as scene:
            try:
                async with asyncio.timeout(self.timeout):
                    problems = await self._command_problems(check, scene)
            except TimeoutError:
                problems = [f"it did not end within {self.timeout:g} s"]
            except AmphoraError as error:
                problems = [str(error)]
            problems = [*filter(None, [scene.denied()]), *problems]
        return judged(self.suite, "commandTests", check.name, problems, time.monotonic() - began)

    async def _command_problems(self, check: CommandCheck, scene: Scene) -> list[str]:
        environment = self._environment(check.environment)
        for line in check.setup:
            status, output, errors = await self._run(scene, line, environment)
            if status:
                said = (errors.text or output.text)[-_TAIL:].strip()
                return [f"{line[0]}, to set it up, exited with status {status}: {said}"]
        status, output, errors = await self._run(scene, check.command, environment)
        for line in check.teardown:
            await self._run(scene, line, environment)
        problems = [
            *pattern_problems(check.output, output.text, "its output"),
            *pattern_problems(check.errors, errors.text, "its error output"),
        ]
        if status != check.status:
            said = errors.text[-_TAIL:].strip()
            what = f"it exited with status {status}, not {check.status}"
            problems.append(f"{what}: {said}" if said else what)
        return problems

    async def _run(
        self, scene: Scene, words: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[int, Heard, Heard]:
        command = [with_variables(word, environment) for word in words]
        container = scene.container(command, environment=environment, user=self.suite.user)
        scene.insist(scene.program(container))
        output, errors = Heard(), Heard()
        status = await self.ground.runtime.run(container, output, errors)
        return status, output, errors

    async def _ports(self, check: PortCheck) -> Checked:
        began = time.monotonic()
        with self.ground.scene(self.variant) as scene:
            try:
                problems = await self._port_problems(check, scene)
            except AmphoraError as error:
                problems = [str(error)]
            problems = [*filter(None, [scene.denied()]), *problems]
        return judged(self.suite, "portTests", check.name, problems, time.monotonic() - began)

    async def _port_problems(self, check: PortCheck, scene: Scene) -> list[str]:
        """In a network of the container's own, in which nobody else listens."""
        environment = self._environment(check.environment)
        container = scene.container(
            [with_variables(word, environment) for word in check.command],
            environment=environment,
            user=self.suite.user,
            network="none",
        )
        scene.insist(scene.program(container))
        deadline = time.monotonic() + self.timeout
        heard = Heard()
        async with served(self.ground.runtime, container, heard) as service:
            while (missing := list(_missing(check, service))) and time.monotonic() < deadline:
                if service.end.done():
                    said = heard.text[-_TAIL:].strip()
                    return [f"it ended with status {service.end.result()}: {said}", *missing]
                await asyncio.sleep(_MOMENT)
        return missing

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Of the image, the file and the test, each seeing those before it."""
        environment = {"PATH": DEFAULT_PATH, **environment_of(self.variant.config.config)}
        for variables in (self.suite.environment, own):
            for name, value in variables.items():
                environment[name] = with_variables(value, environment)
        return environment


def _missing(check: PortCheck, service: Service) -> Iterator[str]:
    there = listeners(service.process) if not service.end.done() else set()
    for port in check.ports:
        found = [listener for listener in there if listener.port == port]
        if not found:
            yield f"nobody listens on port {port}"
        elif not any(listener.for_all for listener in found):
            yield f"port {port} is listened on for the container itself alone (127.0.0.1)"
