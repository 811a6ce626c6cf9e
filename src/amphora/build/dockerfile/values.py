"""Values inside instructions: durations, ports, signals.

Each reader raises ValueError with the reason.
"""

import ipaddress
import re
import signal

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(f"(?:{_DURATION_PART.pattern})+")
_PORT = re.compile(r"[0-9]{1,5}")
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_REAL_TIME = frozenset(
    {f"RTMIN+{n}" for n in range(1, 16)} | {f"RTMAX-{n}" for n in range(1, 15)} | {"RTMIN", "RTMAX"}
)
_SIGNALS = frozenset(name.removeprefix("SIG") for name in signal.Signals.__members__) | _REAL_TIME


def read_duration(text: str) -> int:
    """Nanoseconds of Go's `1h2m3.5s`; at least a millisecond, or nothing.

    https://pkg.go.dev/time#ParseDuration
    """
    sign = text[:1] if text[:1] in {"+", "-"} else ""
    digits = text.removeprefix(sign)
    if digits == "0":
        return 0
    if not _DURATION.fullmatch(digits):
        raise ValueError(f"{text[:40]!r} is not a duration such as 30s or 1m30s")
    parts = _DURATION_PART.findall(digits)
    nanoseconds = sum(_scale(number, _NANOSECONDS[unit]) for number, unit in parts)
    if nanoseconds >= 2**63:
        raise ValueError(f"{text[:40]!r} is longer than 292 years")
    if nanoseconds and (sign == "-" or nanoseconds < 10**6):
        raise ValueError("it cannot be less than 1ms")
    return nanoseconds


def read_ports(text: str) -> list[str]:
    """The `NUMBER/PROTOCOL`s of `[[IP:]HOSTPORT:]PORT[-PORT][/PROTOCOL]`."""
    *host, container = text.rsplit(":", maxsplit=2)
    port, _, protocol = container.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"{protocol!r} is not tcp, udp or sctp")
    first, last = _read_range(port)
    _check_host(host, last - first)
    return [f"{number}/{protocol}" for number in range(first, last + 1)]


def check_signal(text: str) -> None:
    """Is it a number from 1, or a Linux signal's name, with or without SIG?"""
    valid = int(text) > 0 if re.fullmatch(r"[0-9]{1,3}", text) else _is_signal_name(text)
    if not valid:
        raise ValueError(f"{text[:40]!r} is not a signal of Linux")


def _is_signal_name(text: str) -> bool:
    return text.upper().removeprefix("SIG") in _SIGNALS


def _scale(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    fraction = fraction[:18]
    return int(whole or 0) * unit + int(fraction or 0) * unit // int(10 ** len(fraction))


def _read_range(text: str) -> tuple[int, int]:
    first_text, dash, last_text = text.partition("-")
    first = _read_port(first_text)
    last = _read_port(last_text) if dash else first
    if last < first:
        raise ValueError(f"the range {text!r} runs backwards")
    return first, last


def _read_port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError(f"{text[:40]!r} is not a port number from 0 to 65535")
    return int(text)


def _check_host(host: list[str], length: int) -> None:
    """EXPOSE takes the address and port of `docker run -p`, and ignores them."""
    if len(host) == 2 and host[0]:
        ipaddress.ip_address(host[0].removeprefix("[").removesuffix("]"))
    if host and host[-1]:
        first, last = _read_range(host[-1])
        if length and last - first != length:
            raise ValueError("the two port ranges differ in length")
