"""`--progress=rawjson`: one JSON object a line, in the form that BuildKit's clients read.

https://pkg.go.dev/github.com/moby/buildkit/client#SolveStatus, keys in lower case. What a step
printed is in base64, as Go writes bytes.
"""

import base64
import hashlib
import json
import os
from datetime import UTC, datetime
from typing import Any

import click

from amphora.build.events import Event, Planned, StepFinished, StepOutput, StepStarted, Warned
from amphora.cli.docker_environment import tells_warnings
from amphora.cli.plans import plain_plan

_STDOUT = 1

#: BuildKit's clients know from these words, Go's, that a step was canceled.
_ERRORS = {"failed": "the step failed", "canceled": "context canceled"}


class RawProgress:
    """Prints each event when it comes."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[str, Any]] = {}

    def __call__(self, event: Event) -> None:
        click.echo(json.dumps(self._line(event)), err=True)

    def _line(self, event: Event) -> dict[str, Any]:
        match event:
            case StepStarted(identity):
                digest = hashlib.sha256(f"{identity} {event.name}".encode()).hexdigest()
                self._steps[identity] = {
                    "digest": f"sha256:{digest}",
                    "name": event.name,
                    "started": _now(),
                }
                return {"vertexes": [self._steps[identity]]}
            case StepOutput(identity, content):
                log = {
                    "vertex": self._steps[identity]["digest"],
                    "stream": _STDOUT,
                    "data": _encoded(content),
                    "timestamp": _now(),
                }
                return {"logs": [log]}
            case StepFinished(identity, ran, _, ended, _):
                step = self._steps.pop(identity) | {"completed": _now()}
                step |= {"cached": True} if ran == "cached" else {}
                step |= {"error": _ERRORS[ended]} if ended in _ERRORS else {}
                return {"vertexes": [step]}
            case Warned():
                return {"warnings": [_warning(event)]}
            case Planned(plan):
                return {"plan": plain_plan(plan)}


class Warnings:
    """Gathers the warnings of a build, for its metadata file."""

    def __init__(self) -> None:
        self._heard: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._heard.append(_warning(event))

    @property
    def metadata(self) -> dict[str, object]:
        """As buildx has them in the file, if that is asked for."""
        if not self._heard or not tells_warnings(os.environ):
            return {}
        return {"buildx.build.warnings": self._heard}


def _warning(event: Warned) -> dict[str, Any]:
    return {"level": 1, "short": _encoded(f"{event.place}: {event.text}".encode())}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
