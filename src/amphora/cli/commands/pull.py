"""`amphora pull`."""

import click

from amphora.cli.options import REFERENCE, pass_settings, platform_option
from amphora.cli.worker import run_async
from amphora.core.descriptor import Descriptor
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings


@click.command("pull")
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@platform_option("Fetch only these variants. Default: all.")
@pass_settings
def command(settings: Settings, *, reference: Reference, platforms: tuple[Platform, ...]) -> None:
    """Fetch an image, all platforms or some, from a registry into the store."""
    descriptor = run_async(_pull(settings, reference, platforms))
    click.echo(f"{descriptor.digest}  {reference.familiar}")


async def _pull(
    settings: Settings, reference: Reference, platforms: tuple[Platform, ...]
) -> Descriptor:
    from amphora.cli.access import open_store
    from amphora.cli.transfer_progress import show_transfer
    from amphora.registry.client import Registry

    insecure = settings.insecure_registries
    with open_store(settings) as store, show_transfer() as progress:
        async with Registry(reference.domain, insecure_registries=insecure) as registry:
            descriptor = await registry.pull(
                reference, store.blobs, platforms=platforms or None, progress=progress
            )
        store.tag(reference, descriptor)
        return descriptor
