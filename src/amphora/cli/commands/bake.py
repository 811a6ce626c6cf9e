"""`amphora bake`."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from amphora.cli.completing import Completing
from amphora.cli.configuration import find_builder
from amphora.cli.containment import around_containers
from amphora.cli.grouped import GroupedCommand
from amphora.cli.options import (
    Call,
    builder_option,
    format_option,
    parse_call,
    pass_settings,
    progress_option,
    read_call,
    read_pairs,
)
from amphora.cli.output_options import check_writable
from amphora.cli.worker import call_in_worker, run_async
from amphora.core.errors import InvalidValueError
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.bake.files import File
    from amphora.bake.load import Loaded
    from amphora.bake.overrides import Overrides
    from amphora.bake.resolve import Plan
    from amphora.system.cgroup_shared import SharedGroup

_GROUPS = {
    "What to build": ("files", "variables", "overrides", "allowed"),
    "Instead of building": ("only_print", "listing", "check", "call"),
    "Where it goes": ("push", "load", "metadata_file"),
    "What is done again": ("no_cache", "pull"),
    "What is said of it": ("provenance", "sbom"),
    "Other CPUs": ("handoff",),
    "Where it is built": ("builder",),
    "What is shown": ("progress", "output_format"),
}


class _TargetName(Completing[str]):
    """Completes to the targets and groups of the files that are named."""

    name = "target"

    def names(self, context: click.Context) -> Iterator[str]:
        files = context.params.get("files") or ()
        found = _load(_read(files, ()), {}, "cwd://").configuration
        yield from (*found.groups, *found.targets)


@click.command("bake", cls=GroupedCommand, groups=_GROUPS)
@click.argument("targets", nargs=-1, type=_TargetName(), metavar="[URL] [TARGET]…")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    help="A definition in HCL, JSON or as a compose file, or - for standard input; several are"
    " merged. Default: docker-bake.hcl, compose.yaml, …, all that are here.",
)
@click.option(
    "--var",
    "variables",
    multiple=True,
    callback=read_pairs,
    metavar="NAME=VALUE",
    help="Value of a variable; counts more than the environment's.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="TARGET.FIELD=VALUE",
    help="Another value for a field of a target; TARGET may have * and ? in it, += adds.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="WHAT[=PATH]",
    help="Permit what a file asks for: network.host, security.insecure, ssh, and fs=, fs.read= or"
    " fs.write= for paths outside of this directory.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the targets as JSON.")
@click.option(
    "--list",
    "listing",
    metavar="targets|variables",
    help="List what the files define.",
)
@click.option("--check", is_flag=True, help="Check the Dockerfiles; short for --call=check.")
@click.option(
    "--call",
    callback=read_call,
    default="build",
    metavar="METHOD[,format=json]",
    help="Look at each target's Dockerfile: check, outline, plan or targets.",
)
@click.option("--push", is_flag=True, help="Send the images to the registries their tags name.")
@click.option("--load", is_flag=True, help="Give the images to docker or containerd.")
@click.option(
    "--metadata-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write digests, names and more of each target, as JSON.",
)
@click.option("--no-cache", is_flag=True, help="Execute every step, whatever is remembered.")
@click.option("--pull", is_flag=True, help="Ask the registry for base images that are here too.")
@click.option("--provenance", help='Short for --set "*.attest=type=provenance,…".')
@click.option("--sbom", help='Short for --set "*.attest=type=sbom".')
@click.option(
    "--handoff",
    type=click.Choice(["off", "exact", "full"]),
    default="exact",
    show_default=True,
    help="As of amphora build.",
)
@progress_option
@format_option
@builder_option
@pass_settings
def command(
    settings: Settings,
    /,
    *,
    targets: tuple[str, ...],
    files: tuple[str, ...],
    variables: dict[str, str],
    allowed: tuple[str, ...],
    only_print: bool,
    listing: str | None,
    metadata_file: Path | None,
    progress: str,
    output_format: str,
    handoff: str,
    **flags: Any,
) -> None:
    """Build the targets of a bake file (docker-bake.hcl) or a compose file, side by side.

    Without a target, `default` is built. A URL in place of the first target is that of a Git
    repository that has the files; a second one that of the context.
    """
    from amphora.bake.permissions import Permissions

    if metadata_file is not None:
        check_writable("--metadata-file", metadata_file)
    if only_print and listing:
        raise InvalidValueError(
            "--print and --list cannot be combined",
            why="each prints something else",
            next_command="leave one of them out",
        )
    permissions = Permissions.of(allowed, os.environ, Path.cwd())
    source = _definition(targets, files)
    loaded = _load(source.files, variables, source.context)
    if listing is not None:
        from amphora.cli.bake_listing import print_listing

        print_listing(loaded, listing, output_format)
        return
    call = Call("check", flags["call"].as_json) if flags["check"] else flags["call"]
    overrides = _overrides(loaded, flags, call)
    plan = _plan(source, loaded, overrides)
    if only_print:
        from amphora.bake.printing import printed
        from amphora.cli.output import print_json

        print_json(printed(plan))
        return
    permissions.check(plan, overrides)
    _bake(
        settings,
        plan,
        common=[f"--handoff={handoff}"],
        progress=progress,
        metadata_file=metadata_file,
        as_json=output_format == "json" or call.as_json,
    )


class _Definition(Struct, frozen=True):
    """The files, the targets that are wanted of them, and a repository if they are from one."""

    files: "Sequence[File]"
    targets: Sequence[str]
    context: str = "cwd://"
    fetched: Any = None


def _definition(arguments: Sequence[str], names: Sequence[str]) -> _Definition:
    from amphora.remote.location import is_remote

    names = names or _names_of_environment(os.environ)
    if not arguments or not is_remote(arguments[0]):
        return _Definition(_read(names, sys.stdin.buffer), arguments)
    import tempfile

    from amphora.bake.remote import fetch
    from amphora.cli.docker_environment import bake_secrets
    from amphora.remote.authorization import Authorizations

    url, *targets = arguments
    context = targets.pop(0) if targets and is_remote(targets[0]) else "cwd://"
    here = [name for name in names if name.startswith("cwd://")]
    there = [name for name in names if not name.startswith("cwd://")]
    with tempfile.TemporaryDirectory(prefix="amphora-") as work:
        asking = Authorizations(bake_secrets(os.environ))
        fetched = run_async(fetch(url, there, Path(work), asking))
    files = [*fetched.files, *(_read(here, sys.stdin.buffer) if here else ())]
    return _Definition(files, targets, context, fetched)


def _names_of_environment(environment: Mapping[str, str]) -> list[str]:
    """buildx reads names of files there, too; its documents and its code name the separator."""
    separator = (
        environment.get("BUILDX_BAKE_PATH_SEPARATOR")
        or environment.get("BUILDX_BAKE_FILE_SEPARATOR")
        or os.pathsep
    )
    names = environment.get("BUILDX_BAKE_FILE", "").split(separator)
    return [name.strip() for name in names if name.strip()]


def _read(names: Sequence[str], stdin: Any) -> "Sequence[File]":
    from amphora.bake.files import read_files

    return read_files(names, stdin)


def _load(files: "Sequence[File]", variables: Mapping[str, str], context: str) -> "Loaded":
    from amphora.bake.load import load

    return load(files, variables=variables, environment=os.environ, context=context)


def _overrides(loaded: "Loaded", flags: Mapping[str, Any], call: Call) -> "Overrides":
    """--set, and the flags that are short for it."""
    from amphora.bake.entries import attestation_of
    from amphora.bake.overrides import read_overrides

    texts = list(flags["overrides"])
    texts += [
        f"*.{name.replace('_', '-')}=true"
        for name in ("push", "load", "no_cache", "pull")
        if flags[name]
    ]
    texts += [
        f"*.attest={attestation_of(kind, flags[kind])}"
        for kind in ("provenance", "sbom")
        if flags[kind]
    ]
    if call.method != "build":
        texts.append(f"*.call={call.method}")
    names = list(loaded.configuration.targets)
    return read_overrides(texts, names, os.environ) if names else {}


def _plan(source: _Definition, loaded: "Loaded", overrides: "Overrides") -> "Plan":
    from amphora.bake.resolve import resolve, with_epoch

    plan = resolve(loaded.configuration, source.targets, overrides)
    plan = with_epoch(plan, os.environ.get("SOURCE_DATE_EPOCH", ""))
    located: Plan = source.fetched.located(plan) if source.fetched else plan
    return located


def _bake(
    settings: Settings,
    plan: "Plan",
    *,
    common: Sequence[str],
    progress: str,
    metadata_file: Path | None,
    as_json: bool,
) -> None:
    from amphora.cli.bake_targets import read_targets
    from amphora.cli.commands.build import started_engine

    builder = find_builder(settings, settings.builder)
    builds = [each.at(builder) for each in read_targets(list(plan.targets.values()), common)]
    if metadata_file is not None:
        builds = [each.told(os.environ) for each in builds]
    methods = {name: _method(target.text("call")) for name, target in plan.targets.items()}
    called = [each for each in builds if methods[each.target.name] != "build"]
    built = [each for each in builds if methods[each.target.name] == "build"]

    def work(engines: Mapping[str, int], cgroup: "SharedGroup | None") -> int:
        from amphora.cli.baking import call_targets, print_baked, run_bake

        status = 0
        if called:
            status = run_async(call_targets(settings, called, methods, as_json=as_json))
        if built:
            baked = run_async(
                run_bake(
                    settings,
                    built,
                    progress=progress,
                    engines=engines,
                    metadata_file=metadata_file,
                    cgroup=cgroup,
                )
            )
            print_baked(baked, output_format="json" if as_json else "table")
        return status

    with ExitStack() as opened:
        cgroup = opened.enter_context(around_containers(builder, None)) if built else None
        engines = {}
        for each in built:
            engine = opened.enter_context(started_engine(each.wanted, each.request.platforms))
            if engine is not None:
                engines[each.target.name] = engine
        if status := call_in_worker(lambda: work(engines, cgroup)):
            raise click.exceptions.Exit(status)


def _method(text: str) -> str:
    """What a target's `call` means; raises InvalidValueError."""
    return parse_call(text).method if text else "build"
