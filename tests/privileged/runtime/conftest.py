"""Containers on the busybox image, with the confinement and the mounts of a build's."""

import asyncio
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.support import Emulation
from amphora.runtime.container import Runtime
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.spec import Container
from amphora.system import syscalls


@pytest.fixture(scope="session")
def mounted():
    """Call it in a worker with an image's root to get a mounted one, and a runtime's state."""
    return mount


def mount(image):
    """The image with mount points for the container's own file systems, as a build mounts it."""
    area = Path("/run")
    syscalls.mount("none", area, "tmpfs")
    points = make_mount_points(area / "points")
    for name in ("root", "upper", "work", "state"):
        (area / name).mkdir()
    options = f"lowerdir={image}:{points},upperdir={area}/upper,workdir={area}/work,userxattr"
    syscalls.mount("overlay", area / "root", "overlay", 0, options)
    return area / "root", area / "state"


@pytest.fixture
def execute(in_worker, busybox_root):
    """Run a shell script in a container; returns its status and what it printed."""

    def call(*command, platform=None, prepare=lambda root: {}, **fields):
        platform = platform or Platform.host()
        image = busybox_root(platform)

        def inside():
            Emulation().prepare([platform])
            root, state = mount(image)
            output = bytearray()
            arguments = command if len(command) > 1 else ("sh", "-c", *command)
            options = {"environment": {"PATH": "/bin"}, **fields, **prepare(root)}
            container = Container(root, arguments, **options)
            status = asyncio.run(Runtime(state).run(container, output.extend))
            assert list(state.iterdir()) == []
            return status, output.decode()

        return in_worker(inside)

    return call
