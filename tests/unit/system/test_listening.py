"""Who listens, on real sockets of this process."""

import os
import socket
from contextlib import ExitStack

import pytest

from amphora.system.listening import Listener, listeners


@pytest.mark.parametrize(
    ("family", "address", "for_all"),
    [
        (socket.AF_INET, "0.0.0.0", True),
        (socket.AF_INET, "127.0.0.1", False),
        (socket.AF_INET, "127.7.8.9", False),
        (socket.AF_INET6, "::", True),
        (socket.AF_INET6, "::1", False),
        (socket.AF_INET6, "::ffff:127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_addresses(family, address, for_all, kind):
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, kind))
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        protocol = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}[kind]
        expected = Listener(f"{listener.getsockname()[1]}/{protocol}", for_all)
        if kind == socket.SOCK_STREAM:
            assert expected not in listeners(os.getpid())
            listener.listen()
        assert expected in listeners(os.getpid())
    assert expected not in listeners(os.getpid())


def test_nobody_listens_where_nobody_is():
    assert listeners(2**22 + 1) == set()
