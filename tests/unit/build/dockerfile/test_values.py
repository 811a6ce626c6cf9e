import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.values import check_signal, read_duration, read_ports

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("-0", 0),
        ("1s", SECOND),
        ("+1s", SECOND),
        ("30s", 30 * SECOND),
        ("1m30s", 90 * SECOND),
        ("1h", 3600 * SECOND),
        ("1.5s", SECOND * 3 // 2),
        (".5s", SECOND // 2),
        ("1.s", SECOND),
        ("1ms", 10**6),
        ("1000us", 10**6),
        ("1000µs", 10**6),
        ("1000000ns", 10**6),
        ("1h2m3s4ms", 3723 * SECOND + 4 * 10**6),
        ("0.000000000000000000000000000001h1s", SECOND),
    ],
)
def test_durations(text, nanoseconds):
    assert read_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "1", "s", "1 s", "-1s", "1ns", "999us", "1d", "1s ", ".s", "1e3s", "x", "9999999h"],
)
def test_wrong_durations(text):
    with pytest.raises(ValueError, match=r"duration|1ms|years"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", ["80/tcp"]),
        ("80/udp", ["80/udp"]),
        ("80/UDP", ["80/udp"]),
        ("80/", ["80/tcp"]),
        ("9/sctp", ["9/sctp"]),
        ("0", ["0/tcp"]),
        ("65535", ["65535/tcp"]),
        ("080", ["80/tcp"]),
        ("80-82", ["80/tcp", "81/tcp", "82/tcp"]),
        ("80-80/udp", ["80/udp"]),
        ("8080:80", ["80/tcp"]),
        ("127.0.0.1:8080:80", ["80/tcp"]),
        ("127.0.0.1::80", ["80/tcp"]),
        ("[::1]:8080:80", ["80/tcp"]),
        (":80", ["80/tcp"]),
        ("8080-8081:80-81", ["80/tcp", "81/tcp"]),
        ("8080-8090:80", ["80/tcp"]),
    ],
)
def test_ports(text, ports):
    assert read_ports(text) == ports


@pytest.mark.parametrize(
    "text",
    ["", "/tcp", "http", "80/http", "65536", "-80", "80-", "82-80", "1-2-3", "x:80", "80:",
     "999.0.0.1:1:80", "8080-8082:80-81", "80 81", "+80"],
)  # fmt: skip
def test_wrong_ports(text):
    with pytest.raises(ValueError, match=r"port|range|tcp|address"):
        read_ports(text)


@pytest.mark.parametrize(
    "name",
    ["SIGTERM", "TERM", "sigterm", "9", "15", "SIGRTMIN+3", "RTMAX-1", "SIGQUIT", "SIGWINCH"],
)
def test_signals(name):
    check_signal(name)


@pytest.mark.parametrize("name", ["", "0", "-9", "SIGFOO", "SIG", "SIGSIGTERM", "RTMIN+16", "9 "])
def test_wrong_signals(name):
    with pytest.raises(ValueError, match="is not a signal"):
        check_signal(name)


@given(st.text("0123456789.hmsuµn+-", max_size=20))
def test_any_text_is_a_duration_or_an_error(text):
    try:
        nanoseconds = read_duration(text)
    except ValueError:
        return
    assert nanoseconds == 0 or nanoseconds >= 10**6


@given(st.text("0123456789.:/-[]udpt", max_size=12))
def test_any_text_is_a_port_or_an_error(text):
    try:
        ports = read_ports(text)
    except ValueError:
        return
    assert all(port.endswith(("/tcp", "/udp")) for port in ports)


def test_a_long_duration_is_looked_at_once():
    """Each digit once: with every way to divide them this would take days."""
    with pytest.raises(ValueError, match="is not a duration"):
        read_duration("1" * 200_000)
