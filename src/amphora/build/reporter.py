"""Telling the listener what starts and ends, and keeping the report of it."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Literal

from msgspec import Struct

from amphora.build.events import Listener, StepFinished, StepOutput, StepStarted, Warned
from amphora.build.request import StepReport
from amphora.core.platform import Platform
from amphora.emulation.account import Account


class Told(Struct):
    """What is told of a step while it runs: its output, and in the end where it ran."""

    output: Callable[[bytes], None]
    ran: str = "worker"
    account: Account | None = None


class Reporter:
    """`reports` has the steps that ended well, in the order in which they ended."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._identities = itertools.count(1)
        self._target = ""
        self.reports: list[StepReport] = []

    def of(self, target: str) -> "Reporter":
        """One for a build among several, to the same listener; it keeps that one's reports."""
        own = copy(self)
        own._target, own.reports = target, []
        return own

    def taken_elsewhere(self, platform: Platform, title: str) -> None:
        """Note a step that another of several builds took for this one as well."""
        self.reports.append(StepReport(platform, title, "cached", 0.0))

    def warn(self, place: str, text: str) -> None:
        self._listener(Warned(place, text))

    @contextmanager
    def telling(self, platform: Platform, title: str) -> Iterator[Told]:
        """Around a step; what it raises is told as its failure, and passed on."""
        identity = next(self._identities)
        told = Told(lambda content: self._listener(StepOutput(identity, content)))
        self._listener(StepStarted(identity, platform, title, self._target))
        started = time.monotonic()
        try:
            yield told
        except BaseException as error:
            stopped = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
            ended: Literal["canceled", "failed"] = "canceled" if stopped else "failed"
            self._listener(StepFinished(identity, told.ran, time.monotonic() - started, ended))
            raise
        seconds = time.monotonic() - started
        detail = told.account.summary if told.account else ""
        self._listener(StepFinished(identity, told.ran, seconds, detail=detail))
        self.reports.append(StepReport(platform, title, told.ran, seconds, told.account))
