"""How a container resolves names: its /etc/resolv.conf and /etc/hosts."""

import ipaddress
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from amphora.core.errors import InvalidValueError
from amphora.runtime.mountpoints import network_binds
from amphora.runtime.spec import HOSTNAME, Bind, Network

_RESOLVERS = Path("/etc/resolv.conf")
#: What the servers of systemd-resolved are, where /etc/resolv.conf names only its stub;
#: systemd-resolved.service(8).
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
#: The container's own name as well, as with BuildKit.
_LOOPBACK = "127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n"


#: In place of an address: that of this machine, as a container sees it.
HOST_GATEWAY = "host-gateway"
_ROUTES = Path("/proc/net/route")
#: https://docs.kernel.org/networking/index.html: the default route, and a flag of linux/route.h.
_ANYWHERE, _RTF_GATEWAY = "00000000", 2


def leads_to_host(hosts: Mapping[str, str]) -> bool:
    """Is this machine among the addresses, so that a network has to lead to it?"""
    return HOST_GATEWAY in hosts.values()


def reachable_resolvers() -> str | None:
    """The host's resolv.conf with the name servers that another network namespace reaches.

    None if it has only such as listen on loopback, which is another one in there.
    """
    texts = [path.read_text(errors="replace") for path in (_RESOLVERS, _BEHIND_STUB) if _is(path)]
    for text in texts:
        lines = [line for line in text.splitlines() if not _is_loopback(line)]
        if any(map(_server, lines)) or not any(map(_server, text.splitlines())):
            return "".join(f"{line}\n" for line in lines)
    return None if texts else ""


def name_files(
    network: Network, directory: Path, hosts: Mapping[str, str], *, hostname: str = HOSTNAME
) -> Sequence[Bind]:
    """What to show a container on this network; `hosts` are addresses of more names.

    Files that are not the host's own are written into `directory`. Raises InvalidValueError for
    HOST_GATEWAY where no network of a container's leads to this machine.
    """
    host_files = {bind.target: bind for bind in network_binds()}
    machine = _address_of_host(network) if leads_to_host(hosts) else ""
    more = "".join(
        f"{machine if address == HOST_GATEWAY else address}\t{name}\n"
        for name, address in hosts.items()
    )
    if network == "host":
        if more and "/etc/hosts" in host_files:
            more = (
                host_files["/etc/hosts"].source.read_text(errors="replace").rstrip() + "\n" + more
            )
        texts = {"/etc/hosts": more} if more else {}
    else:
        texts = {
            "/etc/hosts": _LOOPBACK.format(hostname) + more,
            "/etc/resolv.conf": reachable_resolvers() or "",
        }
    for target, text in texts.items():
        path = directory / Path(target).name
        path.write_text(text)
        path.chmod(0o644)
        host_files[target] = Bind(path, target)
    return list(host_files.values())


def _address_of_host(network: Network) -> str:
    """Where a container finds this machine: pasta has it at the default gateway's address."""
    if network == "host":
        return "127.0.0.1"
    for line in _ROUTES.read_text().splitlines()[1:]:
        _, destination, gateway, flags, *_ = line.split()
        if destination == _ANYWHERE and int(flags, 16) & _RTF_GATEWAY:
            # An integer of this machine's, whose bytes are in the order of the network.
            return socket.inet_ntoa(int(gateway, 16).to_bytes(4, sys.byteorder))
    raise InvalidValueError(
        f"--add-host cannot have {HOST_GATEWAY}",
        why="this machine has no gateway in its routes, at whose address it could be found",
        next_command="give the address itself, or --network=host",
    )


def _is(path: Path) -> bool:
    return path.is_file()


def _server(line: str) -> str:
    """The address that a line of resolv.conf(5) names as a server, or an empty text."""
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == "nameserver" else ""


def _is_loopback(line: str) -> bool:
    try:
        return ipaddress.ip_address(_server(line).partition("%")[0]).is_loopback
    except ValueError:
        return False
