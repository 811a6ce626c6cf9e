"""`amphora verify`."""

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from amphora.cli.options import REFERENCE, format_option, pass_settings, platform_option
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import in_worker, run_async
from amphora.core.errors import VerificationError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.verify.verify import VariantReport


@click.command("verify")
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@platform_option("Verify only these variants. Default: all.")
@click.option("--cmd", "command_line", help="Run this instead of the image's own command.")
@click.option(
    "--timeout", default=60.0, show_default=True, help="Seconds that each variant may take."
)
@format_option
@pass_settings
@in_worker
def command(
    settings: Settings,
    *,
    reference: Reference,
    platforms: tuple[Platform, ...],
    command_line: str | None,
    timeout: float,
    output_format: str,
) -> None:
    """Run every variant of an image and hold it to its label.

    The program that starts must be for the platform that the label names, even if
    this machine could run another, and must end with status 0.
    """
    from amphora.cli.access import open_store
    from amphora.verify.verify import VerifyRequest, verify

    with open_store(settings) as store:
        request = VerifyRequest(
            image=store.resolve(reference),
            platforms=platforms,
            command=shlex.split(command_line or ""),
            timeout=timeout,
        )
        reports = run_async(verify(request, store))
    if output_format == "json":
        print_json([_plain(report) for report in reports])
    else:
        print_table(
            ("PLATFORM", "PROGRAM", "FOR", "RAN", "SECONDS", "RESULT", "OUTPUT"),
            [_row(report) for report in reports],
        )
    failed = [report for report in reports if report.problem]
    if failed:
        raise VerificationError(
            f"{reference.familiar} is not what its label says for {failed[0].platform}",
            why=str(failed[0].problem),
            next_command="correct the Dockerfile and build it again; "
            "--format json shows the whole output",
        )


def _row(report: "VariantReport") -> tuple[object, ...]:
    lines = report.output.strip().splitlines()
    return (
        report.platform,
        report.program,
        report.architecture,
        report.ran,
        f"{report.seconds:.2f}",
        "FAILED" if report.problem else "ok",
        lines[0][:60] if lines else "",
    )


def _plain(report: "VariantReport") -> dict[str, Any]:
    return {
        **asdict(report),
        "platform": str(report.platform),
        "manifest": str(report.manifest.digest),
    }
