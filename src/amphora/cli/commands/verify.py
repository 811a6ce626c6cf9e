"""`amphora verify`."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amphora.cli.options import REFERENCE, format_option, pass_settings, platform_option
from amphora.cli.output import print_json
from amphora.cli.worker import in_worker
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.verify.labels import Baselines


def _read_expression(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> re.Pattern[str] | None:
    try:
        return None if value is None else re.compile(value, re.MULTILINE)
    except re.error as error:
        raise InvalidValueError(
            f"--expect cannot be {value!r}",
            why=f"as a regular expression it is wrong: {error}",
            next_command="put a backslash before characters that are meant as they are",
        ) from error


def _read_baselines(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> "Baselines":
    from amphora.verify.labels import parse_baselines

    return parse_baselines(values)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidValueError(
            f"{path} cannot be written",
            why=os.strerror(error.errno or 0).lower(),
            next_command="give --junit a file in a directory that is there",
        ) from error


@click.command("verify")
@click.argument("reference", type=REFERENCE, metavar="IMAGE")
@platform_option("Verify only these variants. Default: all.")
@click.option("--static", "static_only", is_flag=True, help="Look at the files; run nothing.")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    callback=_read_baselines,
    metavar="CPU",
    help="The oldest CPU that must run it, such as x86-64-v2 or armv8.2. Default: what the "
    "label says.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="PATTERN",
    help="Files that are foreign on purpose: a path inside the image, with *.",
)
@click.option(
    "--allow-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of such patterns, one in a line.",
)
@click.option("--cmd", "command_line", help="Run this instead of the image's own command.")
@click.option(
    "--expect",
    callback=_read_expression,
    metavar="REGEX",
    help="What the output of every variant must have in it.",
)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    help="Seconds that each run, and each test, may take.",
)
@click.option(
    "--health",
    is_flag=True,
    help="Each variant must become healthy, by its HEALTHCHECK, rather than end.",
)
@click.option(
    "--tests",
    type=click.Path(exists=True, path_type=Path),
    help="Tests as container-structure-test has them: a file, or a directory of *.yaml. "
    "Default: amphora-test.yaml, if it is there; those in the image are done as well.",
)
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the image must be to pass: platforms, findings, age; see docs/verify.md.",
)
@click.option(
    "--attach",
    is_flag=True,
    help="Attach the report to the image, in the store and in its registry.",
)
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the results to this file as well, as JUnit's XML.",
)
@format_option
@pass_settings
@in_worker
def command(
    settings: Settings,
    *,
    reference: Reference,
    platforms: tuple[Platform, ...],
    static_only: bool,
    baselines: "Baselines",
    allow: tuple[str, ...],
    allow_file: Path | None,
    command_line: str | None,
    expect: re.Pattern[str] | None,
    timeout: float,
    health: bool,
    tests: Path | None,
    policy: Path | None,
    attach: bool,
    junit: Path | None,
    output_format: str,
) -> None:
    """Hold every variant of an image to its label: look at its files, run it, test it.

    Every program, library and script is checked without running it: is it for the CPU and
    the ABI that the label names, are its loader, libraries and interpreter there? Then the
    image's own command runs. The program that starts must be for the platform that the
    label names, even if this machine could run another, and must end with status 0.

    With --tests that run something, the image's own command runs only if --cmd, --expect or
    --health is given.

    Ends with status 50 if a variant is not what its label, its tests or the policy say.
    """
    from amphora.cli import verification
    from amphora.cli.access import open_store
    from amphora.cli.verifying import Wanted, attach_report, verify_image
    from amphora.verify.junit import junit_xml

    wanted = Wanted(
        platforms=platforms,
        static_only=static_only,
        baselines=baselines,
        allow=allow,
        allow_file=allow_file,
        command_line=command_line,
        expect=expect,
        timeout=timeout,
        health=health,
        tests=tests,
        policy=policy,
    )
    with open_store(settings) as store:
        outcomes = verify_image(wanted, store.resolve(reference), store)
        if junit:
            _write(junit, junit_xml(reference.familiar, outcomes))
        if output_format == "json":
            print_json([outcome.plain() for outcome in outcomes])
        else:
            verification.show(outcomes)
        if attach:
            report = attach_report(settings, store, reference, outcomes)
            click.echo(f"attached {report.digest}", err=True)
    verification.check(reference.familiar, outcomes)
