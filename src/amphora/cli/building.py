"""What `amphora build` does in the worker: build, deliver, and tell what came of it."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from amphora.build.build import build
from amphora.build.events import Event, Listener
from amphora.build.history import recorded
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.stopping import stoppable
from amphora.cli.access import open_store
from amphora.cli.delivery import Delivery
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.output_options import Wanted
from amphora.cli.outputs import STDOUT
from amphora.cli.plans import outcome_lines, plain_plan
from amphora.cli.progress import PlainProgress, show_build
from amphora.cli.raw_progress import Warnings
from amphora.core.settings import Settings
from amphora.system.cgroup_shared import SharedGroup
from amphora.system.files import write_atomically


async def run_build(
    settings: Settings,
    request: BuildRequest,
    wanted: Wanted,
    *,
    progress: str,
    planning: bool = False,
    engine: int | None = None,
    cgroup: SharedGroup | None = None,
) -> BuildResult:
    """Build and put the image everywhere it is wanted, as Delivery does.

    `cgroup` is the control group that containers are in.
    """
    with (
        open_store(settings) as store,
        recorded(store.root, request, wanted.tags) as recording,
        stoppable(store.root, recording.id),
    ):
        warnings = Warnings()
        with show_build(progress) as show:
            result = await build(
                request,
                store,
                jobs=settings.jobs,
                insecure_registries=settings.insecure_registries,
                listener=told_to(show, PlainProgress(recording.log), warnings),
                planning=planning,
                cgroup=cgroup,
            )
        delivery = Delivery(
            settings,
            store,
            recording.id,
            wanted,
            request.source_date_epoch,
            engine,
            warnings.metadata,
        )
        recording.result = await delivery.deliver(result)
        return recording.result


def told_to(*listeners: Listener) -> Listener:
    """One listener that tells them all."""

    def listen(event: Event) -> None:
        for each in listeners:
            each(event)

    return listen


def print_result(result: BuildResult, wanted: Wanted, *, quiet: bool, output_format: str) -> None:
    """The image's digest and variants; not where a stream of bytes goes to standard output."""
    if result.plan is not None and not quiet:
        for line in outcome_lines(result.plan, result.steps):
            click.echo(line, err=True)
    if any(output.destination == STDOUT for output in wanted.outputs):
        return
    if quiet:
        click.echo(result.image.digest)
    elif output_format == "json":
        print_json({**described(result, wanted), **_steps(result)})
    else:
        rows = [
            (variant.platform, variant.manifest.digest, human_size(variant.size))
            for variant in result.variants
        ]
        print_table(("PLATFORM", "DIGEST", "SIZE"), rows)
        names = " ".join(tag.familiar for tag in wanted.tags)
        click.echo(f"\n{result.image.digest}  {names}".rstrip())


def described(result: BuildResult, wanted: Wanted) -> dict[str, object]:
    """The image, for `--format json`."""
    return {
        "digest": str(result.image.digest),
        "tags": [str(tag) for tag in wanted.tags],
        "variants": [
            {
                "platform": str(variant.platform),
                "digest": str(variant.manifest.digest),
                "size": variant.size,
            }
            for variant in result.variants
        ],
    }


def _steps(result: BuildResult) -> dict[str, object]:
    """What was done for it, and what was expected."""
    return {
        "steps": [
            {
                "platform": str(step.platform),
                "title": step.title,
                "ran": step.ran,
                "seconds": round(step.seconds, 3),
            }
            for step in result.steps
        ],
        **({"plan": plain_plan(result.plan)} if result.plan is not None else {}),
    }


def write_handoff_report(result: BuildResult, path: Path) -> None:
    """One object for each RUN on another CPU: its share, and every program by place."""
    report = [
        {
            "platform": str(step.platform),
            "title": step.title,
            "seconds": round(step.seconds, 3),
            "share": round(step.account.share, 4),
            "handed_off": dict(step.account.handed_off.most_common()),
            "emulated": dict(step.account.emulated.most_common()),
            "emulated_seconds": _rounded(step.account.seconds),
        }
        for step in result.steps
        if step.account is not None
    ]
    write_atomically(path.absolute(), json.dumps(report, indent=2).encode() + b"\n")


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Largest first."""
    most = sorted(seconds.items(), key=lambda item: item[1], reverse=True)
    return {name: round(value, 2) for name, value in most}
