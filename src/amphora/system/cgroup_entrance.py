"""Run as a program: enters control groups and becomes another program, by that name.

    python -I -S cgroup_entrance.py DESCRIPTOR,… PROGRAM ARGUMENT…

The descriptors are those of cgroup.procs. A process that entered them itself to start another
would take all its threads along, and might be killed in its place. Nothing but the standard
library is here: it starts as often as containers do.
"""

import os
import sys


def main() -> None:
    """Never returns."""
    try:
        for number in map(int, sys.argv[1].split(",")):
            os.write(number, b"0")
            os.close(number)
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  there is no shell, and none is wanted
    except OSError as error:
        raise SystemExit(f"amphora: a control group cannot be entered: {error.strerror}") from None


if __name__ == "__main__":
    main()
