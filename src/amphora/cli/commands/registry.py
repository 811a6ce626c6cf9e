"""`amphora registry`."""

from contextlib import suppress
from pathlib import Path

import click

from amphora.cli.options import pass_settings
from amphora.cli.worker import run_async
from amphora.core.settings import Settings


@click.group("registry")
def command() -> None:
    """Serve images from this machine."""


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@pass_settings
def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serve an OCI registry until it is stopped.

    docker, podman, skopeo and Kubernetes push to it and pull from it. It listens
    on the loopback address, without encryption, unless told otherwise.
    """
    from amphora.cli.access import explain_refusal
    from amphora.registry.server.run import serve as run_server

    shown_host = f"[{host}]" if ":" in host else host
    root = Path(settings.registry_store)
    server = run_server(
        root,
        host,
        port,
        lambda actual: click.echo(f"serving http://{shown_host}:{actual}"),
    )
    # Being stopped is how a server ends when all is well.
    with suppress(KeyboardInterrupt), explain_refusal(root, flag="--registry-store"):
        run_async(server)
