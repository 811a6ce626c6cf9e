"""What of `amphora build`'s flags is about RUN: network, limits, secrets, agents, permissions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amphora.runtime.spec import HOSTNAME, Limit

#: What a Dockerfile may ask for only if the command line allows it; buildx's names.
ENTITLEMENTS = ("network.host", "security.insecure")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`network` is that of a RUN which names none: "default", "none" or "host".

    `secrets` are contents by ID, and never shown; `agents` are, by ID, the socket of an SSH
    agent or the files of keys. `shared_memory` is in bytes. Cache mounts of a `cache_namespace`
    are other ones than those of the same ID in another.
    """

    network: str = "default"
    allowed: frozenset[str] = frozenset()
    hosts: Mapping[str, str] = field(default_factory=dict)
    shared_memory: int | None = None
    host_name: str = HOSTNAME
    cache_namespace: str = ""
    limits: Sequence[Limit] = ()
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, Sequence[Path]] = field(default_factory=dict)
