"""`amphora build --check` and `--call`: looking at a Dockerfile in place of building it."""

from collections.abc import Callable
from typing import Any

import click

from amphora.build.build import plan
from amphora.build.checks.check import Checked, check
from amphora.build.checks.outline import Outline, Target, list_targets, outline
from amphora.build.context_hashes import ContextHashes
from amphora.build.dockerfile.parser import Dockerfile
from amphora.build.fetching import Fetcher
from amphora.build.inputs import Opener
from amphora.build.request import BuildRequest
from amphora.cli.access import open_store
from amphora.cli.output import print_table
from amphora.cli.plans import plain_plan, plan_lines
from amphora.cli.progress import show_build
from amphora.core.settings import Settings
from amphora.oci.workspace import workspace

#: Where each check is explained.
_RULES = "https://docs.docker.com/reference/build-checks/"


#: Takes what there is to tell as JSON values; without it, it is printed for people.
Tell = Callable[[Any], None]


async def call(
    settings: Settings, request: BuildRequest, method: str, tell: Tell | None = None
) -> int:
    """Tell what is asked for; returns the exit status: 1 where checks found something.

    `method` is check, outline, plan or targets. Raises what reading a Dockerfile raises; for a
    plan also what reading the images does.
    """
    if method == "plan":
        await _print_plan(settings, request, tell)
        return 0
    with open_store(settings) as store, workspace(store.root) as work:
        fetcher = Fetcher(store.root, work, request.run)
        opener = Opener(fetcher, work, ContextHashes(store.root))
        inputs = await opener.inputs(request)
        dockerfile = inputs.dockerfile
        if method == "check":
            return _print_checked(check(inputs, request, store), tell)
        if method == "targets":
            _print_targets(dockerfile, list_targets(dockerfile), tell)
        else:
            found = outline(dockerfile, request.target or "", request.build_args)
            _print_outline(dockerfile, found, tell)
        return 0


async def _print_plan(settings: Settings, request: BuildRequest, tell: Tell | None) -> None:
    with open_store(settings) as store, show_build("plain") as listener:
        found = await plan(
            request,
            store,
            jobs=settings.jobs,
            insecure_registries=settings.insecure_registries,
            listener=listener,
        )
    if tell is not None:
        tell(plain_plan(found))
    else:
        click.echo("\n".join(plan_lines(found)))


def _print_checked(checked: Checked, tell: Tell | None) -> int:
    filename, notices = checked.dockerfile.filename, checked.notices
    if tell is not None:
        warnings = [
            {
                "ruleName": notice.rule,
                "detail": notice.message,
                "url": _url(notice.rule),
                "location": _location(filename, notice.line),
            }
            for notice in notices
        ]
        tell({"warnings": warnings})
        return bool(notices)
    rows = _rows(checked.dockerfile)
    for notice in notices:
        click.echo(f"{filename}:{notice.line}: {notice.rule}: {notice.message}")
        if notice.line in rows:
            click.echo(f"{notice.line:4} | {rows[notice.line]}")
    count = f"{len(notices)} warning{'s' if len(notices) != 1 else ''}" if notices else "no warning"
    click.echo(f"Checked {filename}: {count}" + (f"; {_RULES} explains them" if notices else ""))
    return bool(notices)


def _rows(dockerfile: Dockerfile) -> dict[int, str]:
    """The lines of all instructions, as written."""
    instructions = [*dockerfile.global_args]
    pieces = [piece for item in instructions for piece in item.source.pieces]
    for stage in dockerfile.stages:
        for item in (stage.base, *stage.instructions):
            pieces += item.source.pieces
    return {piece.line: piece.content for piece in pieces}


def _url(rule: str) -> str:
    """`StageNameCasing` is explained on the page `stage-name-casing`; one is our own."""
    if rule == "DestinationWithoutSlash":
        return _RULES
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in rule)
    return f"{_RULES}{words.strip('-').replace('j-s-o-n', 'json')}/"


def _location(filename: str, line: int) -> dict[str, Any]:
    return {"file": filename, "line": line}


def _print_targets(dockerfile: Dockerfile, targets: list[Target], tell: Tell | None) -> None:
    if tell is not None:
        listed = [
            {
                "name": target.name,
                "default": target.default,
                "description": target.description,
                "base": target.base,
                "location": _location(dockerfile.filename, target.line),
            }
            for target in targets
        ]
        tell({"targets": listed})
        return
    rows = [
        (f"{target.name}{' (default)' if target.default else ''}", target.base, target.description)
        for target in targets
    ]
    print_table(("TARGET", "BASE", "DESCRIPTION"), rows)


def _print_outline(dockerfile: Dockerfile, found: Outline, tell: Tell | None) -> None:
    if tell is not None:
        tell(_outline_values(dockerfile, found))
        return
    click.echo(f"Target: {found.name}")
    if found.description:
        click.echo(f"Description: {found.description}")
    if found.arguments:
        click.echo()
        rows = [(item.name, item.value or "", item.description) for item in found.arguments]
        print_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows)
    for title, attachments in (("SECRET", found.secrets), ("SSH", found.agents)):
        if attachments:
            click.echo()
            print_table((title, "REQUIRED"), [(item.name, item.required) for item in attachments])


def _outline_values(dockerfile: Dockerfile, found: Outline) -> dict[str, Any]:
    def attached(items: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": item.name,
                "required": item.required,
                "location": _location(dockerfile.filename, item.line),
            }
            for item in items
        ]

    return {
        "name": found.name,
        "description": found.description,
        "args": [
            {
                "name": item.name,
                "value": item.value,
                "description": item.description,
                "location": _location(dockerfile.filename, item.line),
            }
            for item in found.arguments
        ],
        "secrets": attached(found.secrets),
        "ssh": attached(found.agents),
    }
