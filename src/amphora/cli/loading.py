"""--load: the container engine of this machine that a built image is given to.

It is started before the worker's namespaces are entered, where it can be reached as whoever
runs this can reach it, and reads the image from a pipe.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which

from msgspec import Struct

from amphora.core.errors import InvalidValueError, ToolFailedError
from amphora.core.platform import Platform
from amphora.system.process import run

_CONTAINERD = Path("/run/containerd/containerd.sock")

#: The image store of docker that keeps several platforms of one image.
#: https://docs.docker.com/engine/storage/containerd/
_MULTI_PLATFORM = "io.containerd.snapshotter.v1"

#: Seconds after which a docker that was asked about itself does not answer.
_PATIENCE = 10.0


class Engine(Struct, frozen=True):
    """`command` reads an archive from its standard input; `environment` is what it needs."""

    command: Sequence[str]
    environment: dict[str, str]
    several: bool


def find_engine() -> Engine | None:
    """Docker if it answers in time, else containerd; None if neither is there."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    docker, containerd = which("docker"), which("ctr")
    if docker:
        with suppress(ToolFailedError, ValueError):
            said = run(
                [docker, "info", "--format", "{{json .DriverStatus}}"],
                extra_environment=environment,
                patience=_PATIENCE,
            )
            several = _MULTI_PLATFORM in str(json.loads(said))
            return Engine([docker, "load", "--quiet"], environment, several)
    if containerd and os.access(_CONTAINERD, os.W_OK):
        return Engine([containerd, "images", "import", "--all-platforms", "-"], {}, several=True)
    return None


def check_platforms(engine: Engine, platforms: Sequence[Platform]) -> None:
    """Raises InvalidValueError if the engine cannot keep an image for all of these."""
    if len(platforms) > 1 and not engine.several:
        raise InvalidValueError(
            f"docker cannot load an image for {len(platforms)} platforms",
            why="its image store keeps one platform of an image",
            next_command="give --platform one of them, turn docker's containerd image store on,"
            " or leave --load out: the image is in amphora's store",
        )
