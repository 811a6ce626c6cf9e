"""Run a command as amphora runs its own: in its namespaces, with QEMU registered there.

    python bench/inside.py COMMAND [ARGUMENT...]

Prints the seconds that the command took, without what entering took.
"""

import sys
from pathlib import Path

from amphora.core.platform import Platform
from amphora.emulation.support import Emulation
from amphora.system import syscalls
from amphora.system.namespace import run_inside
from measure import timed
from workloads import FOREIGN


def main() -> int:
    Emulation().prepare([Platform.parse(FOREIGN)])
    syscalls.mount("tmpfs", Path("/run"), "tmpfs")
    try:
        print(timed(sys.argv[1:]))
    except SystemExit as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(run_inside(main))
