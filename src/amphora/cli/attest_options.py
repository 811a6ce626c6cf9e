"""--provenance, --sbom and --attest of `amphora build`, as buildx spells them.

https://docs.docker.com/reference/cli/docker/buildx/build/#attest. What is not asked for is not
attached; buildx's BUILDX_NO_DEFAULT_ATTESTATIONS asks for just that, and changes nothing here.
"""

import csv
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from amphora.build.attest.options import AttestOptions, ProvenanceOptions, SbomOptions
from amphora.cli.docker_environment import SWITCHES
from amphora.core.errors import InvalidValueError

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "provenance": ("mode", "version", "builder-id", "reproducible", "inline-only", "filename"),
    "sbom": ("generator",),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {"mode": ("min", "max"), "version": ("v1", "v0.2")}

_Options = ProvenanceOptions | SbomOptions | None

_FLAGS = (
    click.option(
        "--provenance",
        metavar="true|false|mode=min|max[,version=v1|v0.2]",
        help="Attach how the image was made; short for --attest type=provenance. mode=max tells "
        "build args and the Dockerfile, too.",
    ),
    click.option(
        "--sbom",
        metavar="true|false|generator=IMAGE",
        help="Attach which packages are in the image (SPDX); short for --attest type=sbom.",
    ),
    click.option(
        "--attest",
        "attestations",
        multiple=True,
        metavar="type=sbom|provenance[,NAME=VALUE…]",
        help="Attach an attestation to each variant of the image, as a referrer; with -o "
        "…,attestation-inline=true as an entry of its index.",
    ),
)


def attest_options(function: F) -> F:
    """Add the flags to a command, which gets them as `read_attestations` takes them."""
    for option in reversed(_FLAGS):
        function = option(function)
    return function


def read_attestations(
    *, attestations: tuple[str, ...], provenance: str | None, sbom: str | None
) -> AttestOptions:
    """What is asked for; raises InvalidValueError, also for the same type twice."""
    given = [("--attest", text, text) for text in attestations]
    given += [
        (f"--{kind}", text, _written_out(kind, text))
        for kind, text in (("sbom", sbom), ("provenance", provenance))
        if text
    ]
    found: dict[str, _Options] = {}
    for flag, text, whole in given:
        kind, options = _read(flag, text, whole)
        if kind in found:
            raise _wrong(flag, text, f"type={kind} is asked for twice")
        found[kind] = options
    how, what = found.get("provenance"), found.get("sbom")
    return AttestOptions(
        how if isinstance(how, ProvenanceOptions) else None,
        what if isinstance(what, SbomOptions) else None,
    )


def _written_out(kind: str, text: str) -> str:
    """`--sbom=true` as --attest has it."""
    if text in SWITCHES:
        return f"type={kind},disabled={not SWITCHES[text]}"
    return f"type={kind},{text}"


def _read(flag: str, text: str, whole: str) -> tuple[str, _Options]:
    """The type and what is asked for: None if it is disabled."""
    fields = _fields(flag, text, whole)
    kind = fields.pop("type", "")
    if kind not in _OPTIONS:
        raise _wrong(flag, text, f"its types are {' and '.join(_OPTIONS)}")
    disabled = _switch(flag, text, fields, "disabled")
    for name, value in fields.items():
        if name not in _OPTIONS[kind]:
            known = ", ".join(_OPTIONS[kind])
            raise _wrong(flag, text, f"type={kind} has no option {name[:40]!r}, only {known}")
        if value not in _CHOICES.get(name, (value,)):
            raise _wrong(flag, text, f"{name} is {' or '.join(_CHOICES[name])}")
    inline_only = _switch(flag, text, fields, "inline-only")
    reproducible = _switch(flag, text, fields, "reproducible")
    if disabled:
        return kind, None
    if kind == "sbom":
        return kind, SbomOptions(fields.get("generator", ""))
    return kind, ProvenanceOptions(
        complete=fields.get("mode") == "max",
        version=fields.get("version", "v1"),
        builder=fields.get("builder-id", ""),
        reproducible=reproducible,
        filename="" if inline_only else _filename(flag, text, fields),
    )


def _filename(flag: str, text: str, fields: Mapping[str, str]) -> str:
    name = fields.get("filename", "") or "provenance.json"
    if "/" in name or name in {".", ".."}:
        raise _wrong(flag, text, "filename is a name, without directories")
    return name


def _fields(flag: str, text: str, whole: str) -> dict[str, str]:
    """As in a line of CSV."""
    try:
        rows = list(csv.reader([whole], strict=True))
    except csv.Error as error:
        raise _wrong(flag, text, str(error)) from error
    fields = {}
    for part in rows[0] if rows else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise _wrong(flag, text, f"{part[:40]!r} has no value")
        fields[name.strip().lower()] = value
    return fields


def _switch(flag: str, text: str, fields: dict[str, str], name: str) -> bool:
    value = fields.pop(name, "false")
    if value.lower() not in SWITCHES:
        raise _wrong(flag, text, f"{name} is true or false")
    return SWITCHES[value.lower()]


def _wrong(flag: str, text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{flag} cannot be {text!r}",
        why=why,
        next_command="as in --attest type=provenance,mode=max, or --sbom=true",
    )
