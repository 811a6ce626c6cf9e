"""What is asked for when a container of an image is run, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.runtime.networks import Port
from amphora.runtime.spec import CAPABILITIES, Bind, Limit, Memory
from amphora.system.cgroup_limits import Limits


class Allowances(Struct, frozen=True):
    """How much the container may do and take; see runtime.spec.Container.

    `limits` are for each process, `together` for all that runs in it.
    """

    capabilities: Sequence[str] = CAPABILITIES
    read_only: bool = False
    limits: Sequence[Limit] = ()
    shared_memory: int | None = None
    together: Limits = field(default_factory=Limits)


class Connections(Struct, frozen=True):
    """The network: "default" is a private one or, failing that, the host's."""

    network: Literal["default", "private", "host", "none"] = "default"
    published: Sequence[Port] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)


class Volume(Struct, frozen=True):
    """A directory that has a name in the store, and what it is shown as."""

    name: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """One container. What is None, or empty, is as the image says.

    `entrypoint` replaces the image's, and then `command` is all of its arguments. `platform`
    None means this machine's, or the only one there is. `handoff`: give the programs of
    another CPU to native counterparts. `background`: it goes on when whoever asked for it is
    gone, and what it writes is kept, as is its end unless it is `temporary`.
    """

    reference: Reference
    name: str
    hostname: str
    platform: Platform | None = None
    pull: Literal["always", "missing", "never"] = "missing"
    command: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_directory: str | None = None
    user: str | None = None
    mounts: Sequence[Bind | Memory | Volume] = ()
    connections: Connections = field(default_factory=Connections)
    allowances: Allowances = field(default_factory=Allowances)
    interactive: bool = False
    terminal: bool = False
    init: bool = False
    handoff: bool = False
    background: bool = False
    temporary: bool = False
