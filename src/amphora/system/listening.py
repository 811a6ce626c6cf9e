"""The ports on which somebody listens in a process's network.

https://docs.kernel.org/networking/proc_net_tcp.html; of UDP, sockets that are not connected
are in the state that TCP calls closed.
"""

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_LISTENS = {"tcp": "0A", "udp": "07"}
_ADDRESS, _STATE = 1, 3


class Listener(Struct, frozen=True):
    """`port` as `80/tcp`; `for_all`: whoever is outside of the network's own machine as well."""

    port: str
    for_all: bool


def listeners(process: int) -> set[Listener]:
    """All of the process's network namespace; none if it has ended."""
    return {
        listener
        for protocol in _LISTENS
        for version in ("", "6")
        for listener in _read(Path(f"/proc/{process}/net/{protocol}{version}"), protocol)
    }


def _read(table: Path, protocol: str) -> Iterator[Listener]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for fields in map(str.split, lines):
        if fields[_STATE] == _LISTENS[protocol]:
            address, _, port = fields[_ADDRESS].partition(":")
            yield Listener(f"{int(port, 16)}/{protocol}", not _is_loopback(address))


def _is_loopback(text: str) -> bool:
    """The address is in words of 32 bits, each in this machine's byte order."""
    words = (bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8))
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
