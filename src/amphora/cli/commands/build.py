"""`amphora build`."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from amphora.cli.options import (
    REFERENCE,
    format_option,
    pass_settings,
    platform_option,
    read_pairs,
    source_date_epoch,
)
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.run_options import read_run_options, run_options
from amphora.cli.worker import in_worker, run_async
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Output:
    """One `-o`: `kind` is "oci" (with `path`), "registry" or "image"."""

    kind: str
    path: Path | None = None


@click.command("build")
@click.argument("context", default=".", metavar="[DIRECTORY|URL|-]")
@platform_option("What to build for, comma-separated. Default: this machine's platform.")
@click.option("-t", "--tag", "tags", type=REFERENCE, multiple=True, help="Name of the image.")
@click.option(
    "-f",
    "--file",
    "dockerfile",
    help="The Dockerfile, or - for standard input. Default: DIRECTORY/Dockerfile.",
)
@click.option(
    "--build-context",
    "build_contexts",
    multiple=True,
    callback=read_pairs,
    metavar="NAME=LOCATION",
    help="What FROM NAME and COPY --from=NAME mean: a directory, a URL of a tar or a Git"
    " repository, docker-image://IMAGE or oci-layout://DIRECTORY[:TAG].",
)
@click.option("--target", help="The stage to build. Default: the last one.")
@click.option(
    "--build-arg",
    "build_args",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Value of an ARG; without =VALUE, that of the environment.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    callback=read_pairs,
    metavar="NAME=VALUE",
    help="Label for the image, beside those of the Dockerfile.",
)
@click.option("--push", is_flag=True, help="Send the image to the registries its tags name.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="type=TYPE[,dest=FILE]",
    help="Where to put the image beside the store: type=oci,dest=FILE or type=registry.",
)
@click.option("--no-cache", is_flag=True, help="Execute every step, whatever is remembered.")
@click.option("--pull", is_flag=True, help="Ask the registry for base images that are here too.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "tty", "quiet"]),
    default="auto",
    show_default=True,
    help="How to show what goes on.",
)
@click.option(
    "--handoff",
    type=click.Choice(["off", "exact", "full"]),
    default="exact",
    show_default=True,
    help="Give programs of other CPUs to native counterparts that write the same bytes; "
    "`full`: compilers also to those of another revision.",
)
@click.option(
    "--handoff-report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was handed off and what was emulated, step by step, as JSON.",
)
@run_options
@click.option("-q", "--quiet", is_flag=True, help="Print the image's digest and nothing else.")
@format_option
@pass_settings
@in_worker
def command(
    settings: Settings,
    /,
    *,
    context: str,
    platforms: tuple[Platform, ...],
    tags: tuple[Reference, ...],
    dockerfile: str | None,
    build_contexts: dict[str, str],
    target: str | None,
    build_args: tuple[str, ...],
    labels: dict[str, str],
    push: bool,
    outputs: tuple[str, ...],
    no_cache: bool,
    pull: bool,
    progress: str,
    handoff: str,
    handoff_report: Path | None,
    quiet: bool,
    output_format: str,
    **around_run: Any,
) -> None:
    """Build an image for several platforms from one Dockerfile.

    The context is a directory, - for a tar or a Dockerfile on standard input, a Git
    repository (URL.git#REF:DIRECTORY) or the URL of a tar.

    The image goes to the store under its tags; with --push to their registries too.
    With SOURCE_DATE_EPOCH in the environment the same input gives the same digest
    on any machine.
    """
    from amphora.build.request import BuildRequest
    from amphora.cli.building import run_build, write_handoff_report

    request = BuildRequest(
        context=context,
        dockerfile=dockerfile,
        stdin=sys.stdin.buffer,
        build_contexts=build_contexts,
        platforms=platforms or (Platform.host(),),
        target=target,
        build_args=_read_build_args(build_args, os.environ),
        labels=labels,
        use_cache=not no_cache,
        pull=pull,
        source_date_epoch=source_date_epoch(),
        handoff=handoff != "off",
        any_revision=handoff == "full",
        run=read_run_options(**around_run),
    )
    wanted = [_read_output(text) for text in outputs]
    if push:
        wanted.append(Output("registry"))
    if any(output.kind == "registry" for output in wanted) and not tags:
        raise InvalidValueError(
            "cannot push an image without a name",
            why="--push sends it to the registry that its tag names",
            next_command="add -t HOST[:PORT]/NAME:TAG",
        )
    archives = [output.path for output in wanted if output.path is not None]
    result = run_async(
        run_build(
            settings,
            request,
            tags,
            push=any(output.kind == "registry" for output in wanted),
            archives=archives,
            progress="quiet" if quiet else progress,
        )
    )
    if handoff_report is not None:
        write_handoff_report(result, handoff_report)
    if quiet:
        click.echo(result.image.digest)
    elif output_format == "json":
        print_json(
            {
                "digest": str(result.image.digest),
                "tags": [str(tag) for tag in tags],
                "variants": [
                    {
                        "platform": str(variant.platform),
                        "digest": str(variant.manifest.digest),
                        "size": variant.size,
                    }
                    for variant in result.variants
                ],
                "steps": [
                    {
                        "platform": str(step.platform),
                        "title": step.title,
                        "ran": step.ran,
                        "seconds": round(step.seconds, 3),
                    }
                    for step in result.steps
                ],
            }
        )
    else:
        rows = [
            (variant.platform, variant.manifest.digest, human_size(variant.size))
            for variant in result.variants
        ]
        print_table(("PLATFORM", "DIGEST", "SIZE"), rows)
        click.echo(f"\n{result.image.digest}  {' '.join(tag.familiar for tag in tags)}".rstrip())


def _read_build_args(texts: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """`NAME=VALUE`, or `NAME` for the environment's value; a name without any is left out."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            given[name] = value
        elif name in environment:
            given[name] = environment[name]
    return given


def _read_output(text: str) -> Output:
    """`type=oci,dest=FILE`, `type=registry` or `type=image`."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    kind, destination = fields.pop("type", ""), fields.pop("dest", "")
    if fields or kind not in {"oci", "registry", "image"} or (kind == "oci") != bool(destination):
        raise InvalidValueError(
            f"--output cannot be {text!r}",
            why="it is type=oci,dest=FILE or type=registry or type=image",
            next_command="for example -o type=oci,dest=image.tar",
        )
    return Output(kind, Path(destination) if destination else None)
