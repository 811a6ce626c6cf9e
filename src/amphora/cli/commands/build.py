"""`amphora build`."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from amphora.cli.attest_options import attest_options, read_attestations
from amphora.cli.builtin_args import obeying_builtin_args, splitting
from amphora.cli.cache_options import cache_options
from amphora.cli.configuration import find_builder
from amphora.cli.containment import around_containers
from amphora.cli.docker_environment import default_platforms, with_provenance_told
from amphora.cli.git_facts import told_of_git
from amphora.cli.grouped import GroupedCommand
from amphora.cli.options import (
    Call,
    builder_option,
    format_option,
    pass_settings,
    platform_option,
    progress_option,
    read_call,
    read_pairs,
)
from amphora.cli.output_options import (
    OUTPUT_NAMES,
    Wanted,
    check_writable,
    output_options,
    read_wanted,
)
from amphora.cli.outputs import STDOUT
from amphora.cli.run_options import read_run_options, run_options
from amphora.cli.worker import call_in_worker, run_async
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.build.caches.places import CachePlace
    from amphora.build.request import BuildRequest
    from amphora.system.cgroup_shared import SharedGroup

#: Headings of the help, and what stands below them.
_GROUPS = {
    "What to build": (
        "platforms",
        "dockerfile",
        "build_contexts",
        "target",
        "build_args",
        "labels",
        "check",
        "call",
    ),
    "Where it goes": OUTPUT_NAMES,
    "What is said of it": ("provenance", "sbom", "attestations"),
    "What RUN gets": (
        "network",
        "allowed",
        "secrets",
        "agents",
        "hosts",
        "shm_size",
        "limits",
        "cgroup_parent",
    ),
    "What is done again": ("no_cache", "no_cache_filter", "cache_from", "cache_to", "pull"),
    "Other CPUs": ("handoff", "handoff_report", "retry_emulated"),
    "Where it is built": ("builder",),
    "What is shown": ("progress", "planning", "quiet", "output_format"),
}


@click.command("build", cls=GroupedCommand, groups=_GROUPS, without_value={"--retry-emulated": "1"})
@click.argument("context", default=".", metavar="[DIRECTORY|URL|-]")
@platform_option("What to build for, comma-separated. Default: this machine's platform.")
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
@output_options
@attest_options
@click.option("--no-cache", is_flag=True, help="Execute every step, whatever is remembered.")
@click.option(
    "--no-cache-filter",
    multiple=True,
    metavar="STAGE,…",
    help="Execute every step of these stages, whatever is remembered.",
)
@cache_options
@click.option("--pull", is_flag=True, help="Ask the registry for base images that are here too.")
@progress_option
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
@click.option(
    "--retry-emulated",
    type=click.IntRange(min=0),
    default=0,
    metavar="[=N]",
    help="Do a RUN again, without handoff and N times at most (once without =N), in which a "
    "program crashed in the emulator.",
)
@run_options
@click.option(
    "--cgroup-parent",
    metavar="GROUP",
    help="The control group, a path below the top, that each RUN is put below.",
)
@click.option("--check", is_flag=True, help="Check the Dockerfile; short for --call=check.")
@click.option(
    "--call",
    callback=read_call,
    default="build",
    metavar="METHOD[,format=json]",
    help="Instead of building: check lists what should be written otherwise (and exits with 1), "
    "targets the stages, outline what a stage takes, plan what would be done and how long it"
    " would take.",
)
@click.option(
    "--plan",
    "planning",
    is_flag=True,
    help="Print what will be done before it is, and afterwards the seconds that each step was"
    " expected to take beside those it took.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the image's digest and nothing else.")
@format_option
@builder_option
@pass_settings
def command(
    settings: Settings,
    /,
    *,
    quiet: bool,
    output_format: str,
    handoff_report: Path | None,
    progress: str,
    call: Call,
    check: bool,
    planning: bool,
    cgroup_parent: str | None,
    **arguments: Any,
) -> None:
    """Build an image for several platforms from one Dockerfile.

    The context is a directory, - for a tar or a Dockerfile on standard input, a Git
    repository (URL.git#REF:DIRECTORY) or the URL of a tar.

    The image goes to the store under its tags; with --push to their registries too.
    With SOURCE_DATE_EPOCH in the environment, or as a build arg, the same input gives the
    same digest on any machine.
    """
    if handoff_report is not None:
        check_writable("--handoff-report", handoff_report)
    wanted = read_wanted(**_take(arguments, OUTPUT_NAMES))
    builder = find_builder(settings, settings.builder)
    platforms = arguments["platforms"] or default_platforms(os.environ)
    arguments["platforms"] = builder.platforms_for(platforms)
    request = _request(**arguments)
    if wanted.metadata_file is not None:
        request = with_provenance_told(request, os.environ)
    wanted = splitting(wanted, request)
    if check or call.method != "build":
        _look(settings, request, Call("check", call.as_json) if check else call, output_format)
    _check_terminal(wanted)
    if request.source_date_epoch is None and any(item.rewrite_timestamp for item in wanted.outputs):
        click.echo(
            "WARN rewrite-timestamp: SOURCE_DATE_EPOCH is not set, so no time is rewritten",
            err=True,
        )

    def build(engine: int | None, cgroup: "SharedGroup | None") -> None:
        from amphora.cli.building import print_result, run_build, write_handoff_report

        shown = "quiet" if quiet else progress
        done = run_async(
            run_build(
                settings,
                request,
                wanted,
                progress=shown,
                planning=planning,
                engine=engine,
                cgroup=cgroup,
            )
        )
        if handoff_report is not None:
            write_handoff_report(done, handoff_report)
        if shown != "none":
            print_result(done, wanted, quiet=quiet, output_format=output_format)

    with (
        around_containers(builder, cgroup_parent) as cgroup,
        started_engine(wanted, request.platforms) as engine,
    ):
        if status := call_in_worker(lambda: build(engine, cgroup)):
            raise click.exceptions.Exit(status)


#: What the command itself asks for, rather than the build.
_OWN = (
    *("quiet", "output_format", "handoff_report", "progress", "call", "check", "planning"),
    "cgroup_parent",
)


def read_build(arguments: Sequence[str]) -> "tuple[BuildRequest, Wanted]":
    """What `amphora build` with these arguments would build, and what would become of it.

    Raises what it would: click.ClickException, InvalidValueError, ….
    """
    with command.make_context("build", list(arguments)) as context:
        given = {name: value for name, value in context.params.items() if name not in _OWN}
        wanted = read_wanted(**_take(given, OUTPUT_NAMES))
        request = _request(**given)
        return request, splitting(wanted, request)


def _look(settings: Settings, request: "BuildRequest", call: Call, output_format: str) -> NoReturn:
    def look() -> int:
        from amphora.cli import calling
        from amphora.cli.output import print_json

        as_json = call.as_json or output_format == "json"
        tell = print_json if as_json else None
        return run_async(calling.call(settings, request, call.method, tell))

    raise click.exceptions.Exit(call_in_worker(look))


def _request(
    *,
    platforms: tuple[Platform, ...],
    build_args: tuple[str, ...],
    no_cache: bool,
    no_cache_filter: tuple[str, ...],
    handoff: str,
    retry_emulated: int,
    context: str,
    dockerfile: str | None,
    build_contexts: dict[str, str],
    target: str | None,
    labels: dict[str, str],
    pull: bool,
    cache_from: tuple["CachePlace", ...],
    cache_to: tuple["CachePlace", ...],
    attestations: tuple[str, ...],
    provenance: str | None,
    sbom: str | None,
    **around_run: Any,
) -> "BuildRequest":
    from amphora.build.request import BuildRequest

    stages = [name for text in no_cache_filter for name in text.split(",") if name]
    known, vcs = told_of_git(context, dockerfile, os.environ)
    request = BuildRequest(
        context=context,
        dockerfile=dockerfile,
        stdin=sys.stdin.buffer,
        build_contexts=build_contexts,
        platforms=platforms or (Platform.host(),),
        target=target,
        build_args=_read_build_args(build_args, os.environ),
        labels={**known, **labels},
        use_cache=not no_cache,
        pull=pull,
        handoff=handoff != "off",
        any_revision=handoff == "full",
        retries=retry_emulated,
        run=read_run_options(**around_run),
        no_cache_stages=stages,
        cache_from=cache_from,
        cache_to=cache_to,
        vcs=vcs,
        attest=read_attestations(attestations=attestations, provenance=provenance, sbom=sbom),
    )
    return obeying_builtin_args(request)


@contextmanager
def started_engine(wanted: Wanted, platforms: Sequence[Platform]) -> Iterator[int | None]:
    """The pipe into which --load writes; None if it is not asked for, or has nobody to read."""
    if not wanted.loads:
        yield None
        return
    from amphora.cli.loading import check_platforms, find_engine
    from amphora.system.process import fed

    engine = find_engine()
    if engine is None:
        click.echo(
            "WARN --load: neither docker nor containerd answers here; the image is in"
            " amphora's store only",
            err=True,
        )
        yield None
        return
    check_platforms(engine, platforms)
    with fed(engine.command, extra_environment=engine.environment) as pipe:
        yield pipe


def _check_terminal(wanted: Wanted) -> None:
    """Raises InvalidValueError: nobody wants to read a tar."""
    if sys.stdout.isatty() and any(item.destination == STDOUT for item in wanted.outputs):
        raise InvalidValueError(
            "--output cannot be written to a terminal",
            why="it has no dest, or dest=-, and standard output is a terminal",
            next_command="add dest=FILE, or redirect the output to a file",
        )


def _take(arguments: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: arguments.pop(name) for name in names}


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
