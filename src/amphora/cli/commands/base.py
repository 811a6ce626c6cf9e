"""`amphora base`."""

import os
import time

import click

from amphora.cli.builtin_args import read_epoch
from amphora.cli.options import (
    REFERENCE,
    format_option,
    pass_settings,
    platform_option,
)
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.worker import in_worker, run_async
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings


@click.group("base")
def command() -> None:
    """Make base images from a distribution's packages."""


@command.command()
@click.argument("reference", type=REFERENCE, metavar="debian:RELEASE")
@platform_option("What to make it for, comma-separated. Default: this machine's platform.")
@click.option(
    "--include", multiple=True, metavar="PACKAGES", help="More packages, comma-separated."
)
@click.option(
    "--variant",
    default="minbase",
    show_default=True,
    type=click.Choice(["essential", "apt", "minbase", "important", "standard"]),
    help="How much is in it beside what you include.",
)
@click.option(
    "--handoff",
    type=click.Choice(["off", "exact"]),
    default="exact",
    show_default=True,
    help="Give programs of other CPUs to native counterparts that write the same bytes.",
)
@format_option
@pass_settings
@in_worker
def create(
    settings: Settings,
    *,
    reference: Reference,
    platforms: tuple[Platform, ...],
    include: tuple[str, ...],
    variant: str,
    handoff: str,
    output_format: str,
) -> None:
    """Make a base image out of Debian's packages, for several platforms at once.

    No registry is needed: the packages come from Debian's mirror, signed, and
    mmdebstrap unpacks them. FROM debian:RELEASE finds the image in the store.
    """
    from amphora.base.create import create_base
    from amphora.base.request import BaseRequest
    from amphora.build.events import StepFinished, StepOutput, StepStarted
    from amphora.cli.access import open_store
    from amphora.cli.progress import show_build

    request = BaseRequest(
        reference=reference,
        platforms=platforms or (Platform.host(),),
        include=[name for text in include for name in text.split(",") if name],
        variant=variant,
        mirror=settings.mirror,
        source_date_epoch=read_epoch(os.environ.get("SOURCE_DATE_EPOCH", "")),
        handoff=handoff == "exact",
    )
    numbers = {platform: number for number, platform in enumerate(request.platforms, 1)}
    started = time.monotonic()
    with open_store(settings) as store, show_build("auto") as listener:
        for platform, number in numbers.items():
            listener(StepStarted(number, platform, f"base {reference.familiar}"))
        created = run_async(
            create_base(
                request,
                store,
                lambda platform, chunk: listener(StepOutput(numbers[platform], chunk)),
            )
        )
        for variant_ in created.variants:
            listener(StepFinished(numbers[variant_.platform], variant_.ran, variant_.seconds))
    rows = [
        (
            item.platform,
            item.manifest.digest,
            human_size(item.size),
            item.ran,
            f"{item.seconds:.1f}",
        )
        for item in created.variants
    ]
    if output_format == "json":
        print_json(
            {
                "digest": str(created.image.digest),
                "name": str(reference),
                "seconds": round(time.monotonic() - started, 3),
                "variants": [
                    {
                        "platform": str(item.platform),
                        "digest": str(item.manifest.digest),
                        "size": item.size,
                        "ran": item.ran,
                        "seconds": round(item.seconds, 3),
                    }
                    for item in created.variants
                ],
            }
        )
        return
    print_table(("PLATFORM", "DIGEST", "SIZE", "RAN", "SECONDS"), rows)
    click.echo(f"\n{created.image.digest}  {reference.familiar}")
