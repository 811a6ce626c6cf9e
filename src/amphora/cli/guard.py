"""From what a command raises to what a person reads and a shell gets."""

import os
import signal
import sys
from collections.abc import Callable

import click

from amphora.core.errors import EXIT_INTERRUPTED, AmphoraError

#: What a shell expects of a program whose reader went away (128 + SIGPIPE).
EXIT_BROKEN_PIPE = 141


#: Seconds until a Ctrl-C that was lost is raised again.
_MOMENT = 0.01


def guarded(function: Callable[[], object]) -> int:
    """Run a command; returns its exit status, having said what went wrong.

    Whatever is not an error of ours is a defect, and keeps its traceback.
    """
    try:
        status = function()
        sys.stdout.flush()
    except AmphoraError as error:
        show_error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return status if isinstance(status, int) else 0


def show_error(error: AmphoraError) -> None:
    """What happened, where, why, and what to do now; on standard error."""
    if error.excerpt:
        click.echo(error.excerpt, err=True)
    for label, text, colour in (
        ("error", error.what, "red"),
        ("  why", error.why, None),
        (" next", error.next_command, "green"),
    ):
        click.echo(f"{click.style(label, fg=colour, bold=True)}: {text}", err=True)


def keep_interrupts() -> None:
    """Have a Ctrl-C that falls into a callback come again a moment later.

    Python would report it there (weak references, while modules are imported), and go on.
    """
    sys.unraisablehook = _raise_again


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    if unraisable.exc_type is KeyboardInterrupt:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        sys.__unraisablehook__(unraisable)
