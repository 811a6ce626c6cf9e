"""Serving the embedded registry until somebody cancels it."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from amphora.core.errors import InvalidValueError
from amphora.registry.server.app import create_app

LOOPBACK = "127.0.0.1"
#: Seconds that open requests get to finish when the server is told to stop.
GRACE = 5


async def serve(
    root: Path,
    host: str = LOOPBACK,
    port: int = 0,
    on_ready: Callable[[int], None] = lambda _port: None,
    *,
    users: Mapping[str, str] | None = None,
) -> None:
    """Serve a registry until this task is cancelled; port 0 takes a free one.

    `on_ready` is called with the port as soon as connections are accepted. Raises
    InvalidValueError for an address that cannot be listened on, and what `create_app` raises.
    """
    app = create_app(root, users=users)
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            # Warnings tell of clients that try TLS first, as all of them do.
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve([listener]))
        server.on_started = lambda: on_ready(listener.getsockname()[1])
        try:
            await asyncio.shield(running)
        finally:
            server.should_exit = True
            await running


class _Server(uvicorn.Server):
    """Stops when it is told to, not by a signal: signals belong to the program."""

    on_started: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InvalidValueError(
            f"the registry cannot listen on {host} port {port}",
            why=error.strerror or str(error),
            next_command="choose another port with --port, or 0 for a free one",
        ) from error
