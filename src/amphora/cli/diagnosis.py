"""`amphora doctor SYMPTOM`: what it is about, its cause, and what mends it."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from msgspec.structs import asdict

from amphora.build.checks.portability import platform_notices
from amphora.build.dockerfile.parser import parse
from amphora.cli.checks import plain_check, print_checks
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import call_in_worker, run_async
from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError, InvalidValueError, NotFoundError, UnhealthyError
from amphora.core.reference import Reference
from amphora.core.settings import Settings
from amphora.doctor.check import insist
from amphora.doctor.image import check_image, entries_of
from amphora.doctor.symptoms import Finding, clean, lines_of, recognise
from amphora.emulation.support import Emulation
from amphora.oci.store import Store
from amphora.registry.client import Registry

_STDIN = "-"
_DOCKERFILE_NAME = re.compile(r"(?:^|\.)(?:dockerfile|containerfile)(?:$|\.)", re.IGNORECASE)
_DOCKERFILE_START = re.compile(
    rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:FROM|ARG)[ \t]", re.IGNORECASE
)

#: More than any Dockerfile has.
_MOST_TEXT = 1 << 20


def diagnose(settings: Settings, words: Sequence[str], output_format: str) -> int:
    """Find out what is meant and look at it; returns the exit status.

    Raises NotFoundError if nothing is recognised, UnhealthyError for a Dockerfile that has
    problems, and what reading one raises.
    """
    as_json = output_format == "json"
    text = " ".join(words)
    if text == _STDIN:
        return _tell(recognise(lines_of(sys.stdin.buffer)), "the log", as_json=as_json)
    path = _file(text)
    if path is not None:
        return _about_file(path, as_json=as_json)
    reference = _reference(text)
    root = _root_in_store(settings, reference) if reference else None
    if reference and root:
        return call_in_worker(partial(_about_image, settings, reference, root, as_json=as_json))
    findings = recognise([text])
    if reference and not findings and re.search(r"[/:@]", text):
        return call_in_worker(partial(_about_image, settings, reference, None, as_json=as_json))
    return _tell(findings, repr(text[:60]), as_json=as_json)


def _file(text: str) -> Path | None:
    """The file that is meant, if there is one; of a directory its Dockerfile."""
    path = Path(text)
    try:
        path = path / "Dockerfile" if path.is_dir() else path
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None  # A message may be longer than any path.


def _reference(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InvalidValueError:
        return None


def _root_in_store(settings: Settings, reference: Reference) -> Descriptor | None:
    """What an image of the store points at; None where there is no such store or image."""
    root = Path(settings.store)
    if not root.is_dir():
        return None
    try:
        return Store(root).resolve(reference)
    except (AmphoraError, OSError):
        return None


def _about_image(
    settings: Settings, reference: Reference, root: Descriptor | None, *, as_json: bool
) -> None:
    """In the worker. Raises what asking a registry raises, UnhealthyError for problems."""
    if root is not None:
        entries = entries_of(Store(Path(settings.store)).blobs, root)
    else:
        entries = run_async(_entries_in_registry(settings, reference))
    checks = list(check_image(reference.familiar, entries, Emulation()))
    if as_json:
        print_json({"image": str(reference), "checks": [plain_check(each) for each in checks]})
    else:
        print_checks(checks, ("RESULT", "VARIANT", "SEEN"))
    insist(checks, reference.familiar)


async def _entries_in_registry(settings: Settings, reference: Reference) -> Sequence[Descriptor]:
    insecure = settings.insecure_registries
    async with Registry(reference.domain, insecure_registries=insecure) as registry:
        return (await registry.look(reference)).entries


def _about_file(path: Path, *, as_json: bool) -> int:
    """A Dockerfile by its name or by how it begins; anything else is a log."""
    with path.open("rb") as file:
        start = file.read(_MOST_TEXT)
        if _DOCKERFILE_NAME.search(path.name) or _DOCKERFILE_START.match(start):
            return _about_dockerfile(start.decode(errors="replace"), str(path), as_json=as_json)
        file.seek(0)
        return _tell(recognise(lines_of(file)), str(path), as_json=as_json)


def _about_dockerfile(text: str, name: str, *, as_json: bool) -> int:
    notices = platform_notices(parse(text, name))
    if as_json:
        print_json({"dockerfile": name, "findings": [asdict(notice) for notice in notices]})
    elif notices:
        rows = [(f"{name}:{each.line}", each.rule, clean(each.message)) for each in notices]
        print_table(("LINE", "RULE", "FINDING"), rows)
    else:
        click.echo(f"{name}: nothing in it is for one platform only")
    if notices:
        first, count = notices[0], len(notices)
        raise UnhealthyError(
            f"{name} has {count} line{'s' if count > 1 else ''} for one platform only",
            why=f"line {first.line}: {clean(first.message)}",
            next_command="correct them, then: amphora build --platform linux/amd64,linux/arm64 .",
        )
    return 0


def _tell(findings: Sequence[Finding], what: str, *, as_json: bool) -> int:
    """The cause of each symptom and the command that mends it."""
    if as_json:
        print_json({"findings": [_plain(finding) for finding in findings]})
    else:
        click.echo("\n\n".join(map(_words, findings)), nl=bool(findings))
    if not findings:
        raise NotFoundError(
            f"nothing in {what} is known",
            why="no line of it shows a symptom that amphora has a cause for",
            next_command="amphora doctor, without a symptom, looks at this machine; an image of a"
            " registry is looked at if its name has a tag: debian:13",
        )
    return 0


def _words(finding: Finding) -> str:
    symptom = finding.symptom
    often = f", {finding.count} times" if finding.count > 1 else ""
    lines = (
        ("cause", symptom.cause),
        ("why", symptom.why),
        ("mend", symptom.command),
        ("see", symptom.source),
    )
    head = f"{click.style(symptom.id, bold=True)} (line {finding.line}{often}): {finding.text}"
    return "\n".join([head, *(f"  {label:5}  {text}" for label, text in lines)])


def _plain(finding: Finding) -> dict[str, object]:
    symptom = finding.symptom
    return {
        "symptom": symptom.id,
        "line": finding.line,
        "text": finding.text,
        "count": finding.count,
        "cause": symptom.cause,
        "why": symptom.why,
        "command": symptom.command,
        "source": symptom.source,
    }
