"""The HTTP client of this room: patient, honest about who asks, following nothing by itself."""

import ipaddress

import httpx2

from amphora import __version__

_CONNECT_TIMEOUT, _SILENCE_TIMEOUT = 10.0, 60.0


def http_client(host: str) -> httpx2.AsyncClient:
    """With the proxies of the environment, but not for this machine itself."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(_SILENCE_TIMEOUT, connect=_CONNECT_TIMEOUT),
        headers={"User-Agent": f"amphora/{__version__}", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=not _is_loopback(host),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
