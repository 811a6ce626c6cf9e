"""`amphora image`."""

from typing import Any

import click

from amphora.cli.options import REFERENCE, format_option, pass_settings
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.worker import in_worker
from amphora.core.errors import StoreError
from amphora.core.reference import Reference
from amphora.core.settings import Settings


@click.group("image")
def command() -> None:
    """List, inspect and remove images."""


@command.command("ls")
@format_option
@pass_settings
def list_images(settings: Settings, *, output_format: str) -> None:
    """List the images in the store."""
    from amphora.cli.access import open_store
    from amphora.cli.images import describe, kind_of
    from amphora.oci.referrers import subject_of

    with open_store(settings) as store:
        artifacts = store.artifacts()
        images = [
            {"name": str(image.reference), **describe(store, image.descriptor, artifacts)}
            for image in store.images()
            # What is attached to an image is shown with it.
            if subject_of(store.blobs, image) is None
        ]
    if output_format == "json":
        print_json(images)
        return
    rows = [
        (
            Reference.parse(image["name"]).familiar,
            image["digest"][7:19],
            ", ".join(variant["platform"] for variant in image["variants"]),
            human_size(sum(variant["size"] for variant in image["variants"])),
            ", ".join(dict.fromkeys(map(kind_of, image["attached"]))),
        )
        for image in images
    ]
    print_table(("NAME", "DIGEST", "PLATFORMS", "SIZE", "ATTACHED"), rows)


@command.command()
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@format_option
@pass_settings
def inspect(settings: Settings, *, reference: Reference, output_format: str) -> None:
    """Show the variants of an image: platform, digest, size, layers, what they start.

    And what is attached to it: attestations, reports.
    """
    from amphora.cli.access import open_store
    from amphora.cli.images import describe, kind_of

    with open_store(settings) as store:
        root = store.resolve(reference)
        image = {"name": str(reference), **describe(store, root, store.artifacts())}
    if output_format == "json":
        print_json(image)
        return
    click.echo(f"Name:       {image['name']}")
    click.echo(f"MediaType:  {image['media_type']}")
    click.echo(f"Digest:     {image['digest']}\n")
    print_table(
        ("PLATFORM", "DIGEST", "SIZE", "LAYERS", "STARTS"),
        [_row(item) for item in image["variants"]],
    )
    if image["attached"]:
        click.echo()
        print_table(
            ("ATTACHED", "PLATFORM", "DIGEST"),
            [(kind_of(item), item["platform"], item["digest"]) for item in image["attached"]],
        )


@command.command("rm")
@click.argument("references", type=REFERENCE, metavar="IMAGE...", nargs=-1, required=True)
@pass_settings
@in_worker
def remove(settings: Settings, *, references: tuple[Reference, ...]) -> None:
    """Remove images by name, and what no other image and no cached step needs."""
    from amphora.cli.access import collect_garbage, open_store

    with open_store(settings) as store:
        for reference in references:
            store.untag(reference)
            click.echo(f"removed {reference.familiar}")
    try:
        freed = collect_garbage(settings)
    except StoreError as error:
        click.echo(f"nothing was freed yet: {error.why}", err=True)
        return
    click.echo(f"freed {human_size(freed.size)}")


def _row(variant: dict[str, Any]) -> tuple[object, ...]:
    starts = " ".join(variant["entrypoint"] + variant["command"]) if variant["present"] else ""
    layers = len(variant["layers"]) if variant["present"] else "not pulled"
    return variant["platform"], variant["digest"], human_size(variant["size"]), layers, starts
