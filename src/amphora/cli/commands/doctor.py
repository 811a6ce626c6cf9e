"""`amphora doctor`."""

import click

from amphora.cli.options import format_option, pass_settings
from amphora.core.errors import InvalidValueError
from amphora.core.settings import Settings


def _read_hosts(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    if values:
        from amphora.doctor.registries import is_host

        for value in values:
            if not is_host(value):
                raise InvalidValueError(
                    f"--registry cannot be {value[:100]!r}",
                    why="it is a host with a dot in it, or one with a port, as in references",
                    next_command="for example --registry ghcr.io, or --registry localhost:5000",
                )
    return values


@click.command("doctor")
@click.argument("symptom", nargs=-1, metavar="[SYMPTOM...]")
@click.option(
    "--registry",
    "registries",
    multiple=True,
    callback=_read_hosts,
    metavar="HOST[:PORT]",
    help="Ask this registry too, beside those with a login.",
)
@click.option("--fix", is_flag=True, help="Do what is safe: register emulators, sweep the store.")
@click.option("--dry-run", is_flag=True, help="With --fix: say what it would do, and do nothing.")
@format_option
@pass_settings
def command(
    settings: Settings,
    *,
    symptom: tuple[str, ...],
    registries: tuple[str, ...],
    fix: bool,
    dry_run: bool,
    output_format: str,
) -> None:
    """Look at this machine and prove what works; or name the cause of a symptom.

    A SYMPTOM is a message (`amphora doctor exec format error`), a log on standard input
    (`-`) or in a file, an image in the store or a registry, or a Dockerfile.

    For each problem the one command that mends it is told. Ends with status 25 if there is
    a problem, and with 30 if a message or a log shows nothing that is known.
    """
    _check_flags(symptom, registries, fix=fix, dry_run=dry_run)
    if symptom:
        from amphora.cli.diagnosis import diagnose

        status = diagnose(settings, symptom, output_format)
    else:
        from amphora.cli.doctoring import Visit, examine

        visit = Visit(registries, fix=fix, dry_run=dry_run, as_json=output_format == "json")
        status = examine(settings, visit)
    raise click.exceptions.Exit(status)


def _check_flags(
    symptom: tuple[str, ...], registries: tuple[str, ...], *, fix: bool, dry_run: bool
) -> None:
    if symptom and (registries or fix or dry_run):
        raise InvalidValueError(
            "--registry, --fix and --dry-run are about this machine",
            why="with a symptom the machine is not looked at",
            next_command="leave the symptom out, or the flags",
        )
    if dry_run and not fix:
        raise InvalidValueError(
            "--dry-run needs --fix",
            why="nothing is changed without it anyway",
            next_command="amphora doctor --fix --dry-run",
        )
