"""HEALTHCHECK, as docker does it: when the command runs, and what its status means.

https://docs.docker.com/reference/dockerfile/#healthcheck
"""

from msgspec import Struct

from amphora.core.errors import VerificationError
from amphora.oci.config import ContainerConfig

_INTERVAL, _TIMEOUT, _START_INTERVAL, _RETRIES = 30.0, 30.0, 5.0, 3
_DEFAULT_SHELL = ("/bin/sh", "-c")


class HealthCheck(Struct, frozen=True):
    """A command, and how often it runs; times in seconds.

    Failures in the first `start_period` seconds do not count, unless it was healthy before.
    """

    command: tuple[str, ...]
    interval: float = _INTERVAL
    timeout: float = _TIMEOUT
    start_period: float = 0.0
    start_interval: float = _START_INTERVAL
    retries: int = _RETRIES


def health_check_of(config: ContainerConfig) -> HealthCheck:
    """That of an image; raises VerificationError if it has none."""
    check = config.healthcheck
    kind, *words = check.test if check and check.test else ("NONE",)
    if check is None or kind not in {"CMD", "CMD-SHELL"} or not words:
        raise VerificationError(
            "the image says nothing about its health",
            why="it has no HEALTHCHECK",
            next_command="write a HEALTHCHECK into the Dockerfile, or leave --health out",
        )
    shell = config.shell or _DEFAULT_SHELL
    return HealthCheck(
        command=(*shell, *words) if kind == "CMD-SHELL" else tuple(words),
        interval=_seconds(check.interval) or _INTERVAL,
        timeout=_seconds(check.timeout) or _TIMEOUT,
        start_period=_seconds(check.start_period),
        start_interval=_seconds(check.start_interval) or _START_INTERVAL,
        retries=check.retries if check.retries > 0 else _RETRIES,
    )


class Health:
    """What is known of a container's health: `state` is docker's word for it."""

    def __init__(self, check: HealthCheck) -> None:
        self._check = check
        self._failures = 0
        self.state = "starting"

    def pause(self, elapsed: float) -> float:
        """Seconds until the next check, if so many have passed since the container started."""
        starting = self.state == "starting" and elapsed < self._check.start_period
        return self._check.start_interval if starting else self._check.interval

    def note(self, began: float, status: int | None) -> None:
        """A check that began so many seconds after the start ended so; None: it took too long."""
        if status == 0:
            self._failures = 0
            self.state = "healthy"
        elif self.state != "starting" or began >= self._check.start_period:
            self._failures += 1
            if self._failures >= self._check.retries:
                self.state = "unhealthy"


def _seconds(nanoseconds: int) -> float:
    return max(nanoseconds, 0) / 1e9
