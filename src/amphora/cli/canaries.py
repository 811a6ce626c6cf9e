"""`amphora emulator verify --deep`: canaries in the worker, and what came back."""

from collections.abc import Sequence
from typing import Any

from amphora.cli.access import open_store
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import in_worker, run_async
from amphora.core.errors import NotFoundError, VerificationError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings
from amphora.oci.graph import variants
from amphora.verify.canary import CanaryReport, send_canaries


@in_worker
def verify_deeply(
    settings: Settings, reference: Reference, platforms: Sequence[Platform], output_format: str
) -> None:
    """Run the canaries of an image on the platforms it has a variant for, of these.

    Raises NotFoundError if there is none, VerificationError if one does not come back.
    """
    with open_store(settings) as store:
        image = store.resolve(reference)
        there = [
            variant
            for variant in variants(store.blobs, image)
            if any(variant.architecture == each.architecture for each in platforms)
        ]
        if not there:
            raise _nothing_to_run(reference, platforms)
        reports = run_async(send_canaries(store, image, there))
    if output_format == "json":
        print_json([_plain(report) for report in reports])
    else:
        rows = [(each.platform, each.canary, each.result, each.why) for each in reports]
        print_table(("PLATFORM", "PROGRAM", "RESULT", "WHY"), rows)
    failed = [report for report in reports if report.result == "failed"]
    if failed:
        raise VerificationError(
            f"{failed[0].canary} does not run on {failed[0].platform}",
            why=failed[0].why,
            next_command="another version of the emulator may do it: amphora emulator install "
            f"{failed[0].platform} --with qemu=/path/to/it",
        )


def _nothing_to_run(reference: Reference, platforms: Sequence[Platform]) -> NotFoundError:
    names = ",".join(map(str, platforms))
    return NotFoundError(
        f"{reference.familiar} has no variant for any of these platforms",
        why=f"asked for were {names}",
        next_command=f"amphora base create debian:trixie --platform {names}",
    )


def _plain(report: CanaryReport) -> dict[str, Any]:
    return {
        "platform": str(report.platform),
        "program": report.canary,
        "result": report.result,
        "why": report.why,
    }
