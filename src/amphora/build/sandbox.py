"""What is around a RUN: its network and names, and how much it is allowed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from amphora.build.dockerfile import instructions as ast
from amphora.build.run_options import RunOptions
from amphora.runtime.names import leads_to_host, name_files
from amphora.runtime.networks import Networks
from amphora.runtime.spec import HOSTNAME, Bind, Network
from amphora.system.memory import scratch_directory


class Surroundings(Struct, frozen=True):
    """A network to run a container on, and the files for resolving names there."""

    network: Network
    files: Sequence[Bind]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`network` is "default", "none" or "host"; `private` is where files for it are written."""

    networks: Networks = field(repr=False)
    private: Path
    options: RunOptions
    network: str = "default"
    insecure: bool = False

    @classmethod
    def of(cls, run: ast.Run, networks: Networks, private: Path, options: RunOptions) -> "Sandbox":
        """What an instruction asks for; raises DockerfileError if it is not allowed."""
        if run.devices:
            raise run.source.error(
                "RUN --device is not supported",
                why="a build here has no devices but null, zero, full, random, urandom and tty; "
                "supported flags of RUN are --mount, --network and --security",
                fix="leave the flag out, and use the device where the image runs",
                span=run.source.span("--device"),
            )
        for flag, value, entitlement in (
            ("--network", run.network, "network.host"),
            ("--security", run.security, "security.insecure"),
        ):
            if entitlement == f"{flag[2:]}.{value}" and entitlement not in options.allowed:
                raise run.source.error(
                    f"RUN {flag}={value} is not allowed",
                    why="a Dockerfile gets out of the sandbox only if the command line says so",
                    fix=f"if you trust it: amphora build --allow {entitlement}",
                    span=run.source.span(flag),
                )
        network = run.network if run.network not in {"", "default"} else options.network
        return cls(networks, private, options, network, run.security == "insecure")

    def facts(self) -> dict[str, Any]:
        """What differs from the usual."""
        facts = {
            "network": "" if self.network == "default" else self.network,
            "insecure": self.insecure,
            "hosts": dict(self.options.hosts),
            "host name": "" if self.options.host_name == HOSTNAME else self.options.host_name,
            "shared memory": self.options.shared_memory,
            "limits": [[limit.name, limit.soft, limit.hard] for limit in self.options.limits],
        }
        return {name: value for name, value in facts.items() if value}

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Surroundings]:
        """The network and its files, while a container uses them."""
        joined = (
            self.networks.joined(keep=not self.insecure, to_host=leads_to_host(self.options.hosts))
            if self.network == "default"
            else nullcontext[Network]("none" if self.network == "none" else "host")
        )
        async with joined as network:
            with scratch_directory(self.private) as directory:
                options = self.options
                files = name_files(network, directory, options.hosts, hostname=options.host_name)
                yield Surroundings(network, files)
