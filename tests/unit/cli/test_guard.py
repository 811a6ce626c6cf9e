"""A Ctrl-C is never lost, wherever in the program it falls."""

import subprocess
import sys

#: The interrupt is raised where Python would only report it: in a weak reference's callback.
_PROGRAM = """
import time, weakref
from amphora.cli.guard import guarded, keep_interrupts

class Thing: pass

def interrupt(_reference):
    raise KeyboardInterrupt

def work():
    thing = Thing()
    reference = weakref.ref(thing, interrupt)
    del thing
    time.sleep(30)

keep_interrupts()
raise SystemExit(guarded(work))
"""


def test_an_interrupt_inside_a_callback_still_ends_the_program():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
