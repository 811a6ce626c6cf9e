"""Functions of networks and their addresses.

https://github.com/hashicorp/go-cty-funcs/tree/main/cidr
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from amphora.bake.hcl.functions.function import TEXT, WHOLE, Function, Functions
from amphora.bake.hcl.values import Value

_Network = IPv4Network | IPv6Network


def _network(prefix: str) -> _Network:
    if "/" not in prefix:
        raise ValueError(f"{prefix[:60]!r} is no network: it lacks /BITS")
    return ip_network(prefix, strict=False)


def _below(network: _Network, bits: int) -> int:
    """The length of a prefix that is some bits longer."""
    length = network.prefixlen + bits
    if bits < 0 or length > network.max_prefixlen:
        raise ValueError(f"{network} cannot be parted by {bits} bits")
    return length


def _numbered(network: _Network, length: int, place: int) -> _Network:
    """The place-th network with a prefix of this length, from the first of a network on."""
    start = int(network.network_address) + (place << (network.max_prefixlen - length))
    if place < 0 or start > int(network.broadcast_address):
        raise ValueError(f"{network} has no network {place} of /{length}")
    return type(network)((start, length))


def _host(prefix: str, place: int) -> Value:
    network = _network(prefix)
    at = place if place >= 0 else network.num_addresses + place
    if not 0 <= at < network.num_addresses:
        raise ValueError(f"{network} has no address {place}")
    return str(network[at])


def _netmask(prefix: str) -> Value:
    network = _network(prefix)
    if network.version != 4:
        raise ValueError("only networks of IPv4 have a mask")
    return str(network.netmask)


def _subnet(prefix: str, bits: int, place: int) -> Value:
    network = _network(prefix)
    return str(_numbered(network, _below(network, bits), place))


def _subnets(prefix: str, *bits: int) -> Value:
    return tuple(map(str, _consecutive(_network(prefix), bits)))


def _consecutive(network: _Network, bits: tuple[int, ...]) -> Iterator[_Network]:
    """One after the other, each where it can begin."""
    free = int(network.network_address)
    for more in bits:
        length = _below(network, more)
        size = 1 << (network.max_prefixlen - length)
        place = -(-(free - int(network.network_address)) // size)
        found = _numbered(network, length, place)
        free = int(found.broadcast_address) + 1
        yield found


NETWORKS: Functions = {
    "cidrhost": Function(_host, (TEXT, WHOLE)),
    "cidrnetmask": Function(_netmask, (TEXT,)),
    "cidrsubnet": Function(_subnet, (TEXT, WHOLE, WHOLE)),
    "cidrsubnets": Function(_subnets, (TEXT,), rest=WHOLE),
}
