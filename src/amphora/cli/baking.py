"""What `amphora bake` does in the worker: build all targets, deliver each, tell what came of it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from amphora.build.build import build_together
from amphora.build.history import recorded
from amphora.build.request import BuildResult
from amphora.build.stopping import stoppable
from amphora.cli import calling
from amphora.cli.access import open_store
from amphora.cli.bake_targets import TargetBuild
from amphora.cli.building import described, told_to
from amphora.cli.delivery import Delivery
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.outputs import STDOUT
from amphora.cli.progress import PlainProgress, show_build
from amphora.cli.raw_progress import Warnings
from amphora.core.settings import Settings
from amphora.system.cgroup_shared import SharedGroup
from amphora.system.files import write_atomically


class Baked(Struct, frozen=True):
    """A target that was built: its image as its names point at it, and what is told of it."""

    build: TargetBuild
    result: BuildResult
    metadata: Mapping[str, object]


async def run_bake(
    settings: Settings,
    builds: Sequence[TargetBuild],
    *,
    progress: str,
    engines: Mapping[str, int],
    metadata_file: Path | None,
    cgroup: SharedGroup | None = None,
) -> list[Baked]:
    """Build all targets side by side, then put each image everywhere it is wanted.

    `engines` are the pipes for --load, by target, `cgroup` the control group that containers
    are in. Raises what building and delivering raise.
    """
    with open_store(settings) as store, ExitStack() as opened:
        recordings = {
            each.target.name: opened.enter_context(
                recorded(store.root, each.request, each.wanted.tags)
            )
            for each in builds
        }
        for recording in recordings.values():
            opened.enter_context(stoppable(store.root, recording.id))
        logs = [PlainProgress(recording.log) for recording in recordings.values()]
        warnings = Warnings()
        with show_build(progress) as show:
            results = await build_together(
                {each.target.name: each.request for each in builds},
                store,
                jobs=settings.jobs,
                insecure_registries=settings.insecure_registries,
                listener=told_to(show, warnings, *logs),
                cgroup=cgroup,
            )
        baked = []
        for each in builds:
            name = each.target.name
            delivery = Delivery(
                settings,
                store,
                recordings[name].id,
                each.wanted,
                each.request.source_date_epoch,
                engines.get(name),
            )
            form = await delivery.deliver(results[name])
            recordings[name].result = form
            baked.append(Baked(each, form, delivery.metadata(form)))
    if metadata_file is not None:
        told: dict[str, object] = {item.build.target.name: item.metadata for item in _asked(baked)}
        told |= warnings.metadata
        write_atomically(metadata_file.absolute(), json.dumps(told, indent=2).encode() + b"\n")
    return baked


def print_baked(baked: Sequence[Baked], *, output_format: str) -> None:
    """The images of all targets that were asked for; none where a stream goes to the output."""
    if any(out.destination == STDOUT for item in baked for out in item.build.wanted.outputs):
        return
    asked = _asked(baked)
    if output_format == "json":
        print_json(
            {item.build.target.name: described(item.result, item.build.wanted) for item in asked}
        )
        return
    rows = [
        (
            item.build.target.name,
            variant.platform,
            variant.manifest.digest,
            human_size(variant.size),
        )
        for item in asked
        for variant in item.result.variants
    ]
    print_table(("TARGET", "PLATFORM", "DIGEST", "SIZE"), rows)
    click.echo()
    for item in asked:
        names = " ".join(tag.familiar for tag in item.build.wanted.tags)
        click.echo(f"{item.build.target.name}: {item.result.image.digest}  {names}".rstrip())


async def call_targets(
    settings: Settings, builds: Sequence[TargetBuild], methods: Mapping[str, str], *, as_json: bool
) -> int:
    """Look at the Dockerfile of each target; the status is 1 if a check found something."""
    status = 0
    told: dict[str, Any] = {}
    for each in builds:
        name, text = each.target.name, each.target.text("description")
        if not as_json:
            click.echo(f"{name}: {text}" if text else name)
        tell = partial(told.__setitem__, name) if as_json else None
        status = await calling.call(settings, each.request, methods[name], tell) or status
        if not as_json:
            click.echo()
    if as_json:
        print_json({"target": told})
    return status


def _asked(baked: Sequence[Baked]) -> list[Baked]:
    """Without those that were only built because others use them."""
    return [item for item in baked if not item.build.target.linked]
