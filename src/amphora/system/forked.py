"""The life of a child that was forked without executing another program."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from amphora.core.errors import EXIT_INTERRUPTED


def live(function: Callable[[], int]) -> NoReturn:
    """All that a forked child does: never returns into its parent's code."""
    status = 1
    try:
        status = function()
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except BaseException:  # noqa: BLE001
        # Nobody above would say it: this process ends here.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
