"""`amphora push`."""

import click

from amphora.cli.options import REFERENCE, pass_settings
from amphora.cli.worker import run_async
from amphora.core.descriptor import Descriptor
from amphora.core.reference import Reference
from amphora.core.settings import Settings


@click.command("push")
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@pass_settings
def command(settings: Settings, *, reference: Reference) -> None:
    """Send an image of the store, all platforms of it, to the registry its name begins with.

    What is attached to it (attestations, reports) is sent with it.
    """
    descriptor = run_async(_push(settings, reference))
    click.echo(f"{descriptor.digest}  {reference.familiar}")


async def _push(settings: Settings, reference: Reference) -> Descriptor:
    from amphora.cli.access import open_store
    from amphora.cli.transfer_progress import show_transfer
    from amphora.registry.client import Registry

    insecure = settings.insecure_registries
    with open_store(settings) as store, show_transfer() as progress:
        descriptor = store.resolve(reference)
        async with Registry(reference.domain, insecure_registries=insecure) as registry:
            artifacts = store.artifacts_about(descriptor)
            await registry.push(
                store.blobs, descriptor, reference, artifacts=artifacts, progress=progress
            )
        return descriptor
