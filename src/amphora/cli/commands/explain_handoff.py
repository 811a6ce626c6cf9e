"""`amphora explain-handoff`."""

from typing import TYPE_CHECKING, Any

import click

from amphora.cli.options import REFERENCE, format_option, pass_settings, platform_option
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import in_worker
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.emulation.verdict import Verdict


@click.command("explain-handoff")
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@platform_option("Explain only these variants. Default: all that this CPU does not run.")
@format_option
@pass_settings
@in_worker
def command(
    settings: Settings,
    *,
    reference: Reference,
    platforms: tuple[Platform, ...],
    output_format: str,
) -> None:
    """List which programs of an image a build would run natively, which not, and why.

    What an image's own steps install later is judged when they run; `amphora build
    --handoff-report` tells what happened.
    """
    from amphora.build.explain import explain
    from amphora.cli.access import open_store

    with open_store(settings) as store:
        explained = explain(store, store.resolve(reference), platforms)
    if output_format == "json":
        print_json(
            [
                {"platform": str(platform), **_plain(verdict)}
                for platform, verdicts in explained.items()
                for verdict in verdicts
            ]
        )
        return
    for platform, verdicts in explained.items():
        print_table(("PROGRAM", "RUNS", "WHY"), [_row(verdict) for verdict in verdicts])
        count = sum(verdict.handoff is not None for verdict in verdicts)
        click.echo(f"\n{platform}: {count} of {len(verdicts)} programs are handed off\n")


def _row(verdict: "Verdict") -> tuple[object, ...]:
    path = f"/{_printable(verdict.path)}"
    if verdict.handoff is not None:
        return path, "native", verdict.handoff.conditions
    why = ": ".join(filter(None, (verdict.reason, _printable(verdict.detail))))
    return path, "emulated", why


def _plain(verdict: "Verdict") -> dict[str, Any]:
    handoff = verdict.handoff
    return {
        "program": f"/{verdict.path}",
        "handed_off": handoff is not None,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "conditions": handoff.conditions if handoff else "",
    }


def _printable(text: str) -> str:
    """Names come from the image, and are shown on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
