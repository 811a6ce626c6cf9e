"""Waiting for what others do, as long as it takes on a slow machine and no longer."""

import time

_PATIENCE = 60


def wait_until(condition):
    """Return what the condition returns when that is true; fails if it never is."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.01)
    return found
