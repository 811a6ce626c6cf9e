"""Where a registry is: from the domain of a reference to a URL, http only where agreed."""

import ipaddress
from collections.abc import Collection

from msgspec import Struct

from amphora.core.reference import DEFAULT_DOMAIN

#: Docker Hub's API does not answer under the name its images carry.
DOCKER_API_HOST = "registry-1.docker.io"


class Endpoint(Struct, frozen=True):
    """The origin of a registry's API; `domain` is how references and logins call it."""

    domain: str
    scheme: str
    host: str

    @classmethod
    def of(cls, domain: str, insecure_registries: Collection[str] = ()) -> "Endpoint":
        """Plain HTTP for loopback and for what `insecure_registries` lists, else HTTPS.

        There is no fallback from one to the other.
        """
        plain = is_loopback(domain) or domain in insecure_registries
        host = DOCKER_API_HOST if domain == DEFAULT_DOMAIN else domain
        return cls(domain, "http" if plain else "https", host)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


def is_loopback(domain: str) -> bool:
    """Does `host[:port]` name this machine, whatever the name service says?"""
    host = domain.partition("]")[0][1:] if domain.startswith("[") else domain.partition(":")[0]
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
