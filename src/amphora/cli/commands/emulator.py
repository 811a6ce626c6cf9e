"""`amphora emulator`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from amphora.cli.options import REFERENCE, format_option, pass_settings
from amphora.core.errors import EmulatorError, VerificationError
from amphora.core.platform import Platform, parse_platforms
from amphora.core.reference import Reference
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.emulation.host.machine import Machine
    from amphora.emulation.host.plan import Step
    from amphora.emulation.host.status import Status

F = TypeVar("F", bound=Callable[..., Any])


def _read_platforms(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Platform, ...]:
    """`all`, or nothing, is the empty tuple."""
    words = [word for value in values for word in value.split(",")]
    return () if "all" in words else parse_platforms(words)


_platforms = click.argument(
    "platforms", nargs=-1, callback=_read_platforms, metavar="[all|PLATFORM,...]"
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")


def _host_option(function: F) -> F:
    text = (
        "This is a privileged container: change the table of the machine it runs on, with the "
        "interpreters of this container, which may end then."
    )
    return click.option("--host", is_flag=True, help=text)(function)


@click.group("emulator")
def command() -> None:
    """Have this machine run programs of other CPUs, now and after a reboot.

    These commands are about the table of the machine itself (binfmt_misc), which docker,
    podman, chroot and a shell use. Amphora's own builds do not need it.
    """


@command.command()
@_platforms
@click.option(
    "--with",
    "emulator",
    default="qemu",
    show_default=True,
    metavar="EMULATOR",
    help="qemu, qemu=/path/to/a/static/file, fex or box64.",
)
@click.option(
    "--credentials",
    is_flag=True,
    help="Let set-uid programs have their owner's rights (flag C), as sudo in a container "
    "needs it. Whoever can start one can then have QEMU write files as its owner.",
)
@_dry_run
@_host_option
@format_option
def install(
    *,
    platforms: tuple[Platform, ...],
    emulator: str,
    credentials: bool,
    dry_run: bool,
    host: bool,
    output_format: str,
) -> None:
    """Have platforms run, proven by running a program of each.

    What works already, whoever registered it, stays as it is. What does not prove itself
    is taken back.
    """
    from amphora.emulation.host.choice import Wish
    from amphora.emulation.host.plan import plan_install

    wish = Wish.parse(emulator)
    plan = partial(plan_install, platforms=platforms, wish=wish, credentials=credentials)
    _change(plan, host=host, dry_run=dry_run, output_format=output_format)


@command.command()
@_platforms
@_dry_run
@_host_option
@format_option
def uninstall(
    *, platforms: tuple[Platform, ...], dry_run: bool, host: bool, output_format: str
) -> None:
    """Remove what `install` has registered; entries of others stay."""
    from amphora.emulation.host.plan import plan_uninstall

    plan = partial(plan_uninstall, platforms=platforms)
    _change(plan, host=host, dry_run=dry_run, output_format=output_format)


@command.command()
@_dry_run
@_host_option
@format_option
def reset(*, dry_run: bool, host: bool, output_format: str) -> None:
    """Remove every emulator from the table, whoever registered it.

    What packages register comes back with their services, or at the next reboot.
    """
    from amphora.emulation.host.plan import plan_reset

    _change(plan_reset, host=host, dry_run=dry_run, output_format=output_format)


@command.command()
@_dry_run
@_host_option
@format_option
def update(*, dry_run: bool, host: bool, output_format: str) -> None:
    """Pin emulators anew that were upgraded: the kernel keeps the old file open."""
    from amphora.emulation.host.plan import plan_update

    _change(plan_update, host=host, dry_run=dry_run, output_format=output_format)


@command.command("ls")
@format_option
def list_entries(*, output_format: str) -> None:
    """List the kernel's table: the newest entry is first, and wins."""
    from amphora.cli.emulators import print_entries
    from amphora.emulation.host.machine import Machine

    machine = Machine()
    print_entries(machine, machine.table.entries(), output_format)


@command.command()
@_platforms
@format_option
def status(*, platforms: tuple[Platform, ...], output_format: str) -> None:
    """Show how each platform runs, through what, and what is left after a reboot."""
    from amphora.cli.emulators import print_status
    from amphora.emulation.host.machine import Machine
    from amphora.emulation.host.status import examine

    print_status(examine(Machine(), platforms), output_format)


@command.command()
@_platforms
@click.option("--deep", is_flag=True, help="Run programs that are known to break emulators.")
@click.option(
    "--image",
    "reference",
    type=REFERENCE,
    metavar="IMAGE",
    default="debian:trixie",
    show_default=True,
    help="Where --deep takes these programs from: an image in the store.",
)
@format_option
@pass_settings
def verify(
    settings: Settings,
    *,
    platforms: tuple[Platform, ...],
    deep: bool,
    reference: Reference,
    output_format: str,
) -> None:
    """Run a program of each platform; fails if one that is named, or registered, does not run."""
    from amphora.cli.emulators import print_status
    from amphora.emulation.host.machine import Machine
    from amphora.emulation.host.status import examine

    statuses = [each for each in examine(Machine(), platforms) if platforms or each.ran != "no"]
    if not deep:
        print_status(statuses, output_format)
    _insist(statuses)
    if deep:
        from amphora.cli.canaries import verify_deeply

        verify_deeply(settings, reference, [each.platform for each in statuses], output_format)


def _change(
    make_plan: Callable[["Machine"], Sequence["Step"]],
    *,
    host: bool,
    dry_run: bool,
    output_format: str,
) -> None:
    """Make a plan, show it and, unless told not to, carry it out."""
    from amphora.cli.emulators import print_outcomes, print_plan, what_lasts
    from amphora.emulation.host.access import writable_machine
    from amphora.emulation.host.change import carry_out
    from amphora.emulation.host.persistence import find_persistence

    machine = writable_machine(host=host)
    persistence = None if host else find_persistence(machine.root)
    lasts = what_lasts(persistence)
    plan = make_plan(machine)
    print_plan(plan, output_format, lasts=lasts, dry_run=dry_run)
    if dry_run:
        return
    outcomes = carry_out(machine, plan, persistence)
    print_outcomes(outcomes, output_format, lasts=lasts)
    failed = [each for each in outcomes if each.problem]
    if failed:
        raise EmulatorError(
            f"{', '.join(str(each.step.platform) for each in failed)} cannot run here",
            why=failed[0].problem,
            next_command="amphora emulator status",
        )


def _insist(statuses: Sequence["Status"]) -> None:
    failed = [each for each in statuses if not each.proven]
    if failed:
        platform = failed[0].platform
        raise VerificationError(
            f"{platform} does not run here",
            why=next(iter(failed[0].problems), "no entry matches its programs"),
            next_command=f"sudo amphora emulator install {platform}",
        )
