"""What checks add up to: an exit status, and whether there is something to mend."""

import errno

import pytest

from amphora.core.errors import NamespaceError, UnhealthyError
from amphora.doctor.check import Remedy, failed, insist, ok, problem, refused, wants, warning


def test_only_problems_fail():
    insist([ok("a", "fine"), warning("b", "soon", "do it")], "this machine")
    with pytest.raises(UnhealthyError) as raised:
        insist([ok("a", "fine"), problem("b", "broken", "mend b")], "this machine")
    assert raised.value.what == "this machine has 1 problem"
    assert raised.value.why == "b: broken"
    assert raised.value.next_command == "mend b"
    with pytest.raises(UnhealthyError, match="has 2 problems"):
        insist([problem("a", "x", "y"), problem("b", "x", "y")], "it")


def test_an_error_of_ours_becomes_a_problem():
    error = NamespaceError("no namespace", why="forbidden", next_command="allow it")
    check = failed("worker", error)
    assert (check.verdict, check.seen, check.command) == (
        "problem",
        "no namespace: forbidden",
        "allow it",
    )


def test_what_the_system_says_is_told():
    check = refused("x", OSError(errno.EROFS, "", "/a"), "do")
    assert (check.verdict, check.seen) == ("problem", "read-only file system: /a")
    assert refused("x", OSError("in words"), "do").seen == "in words"


def test_what_a_fix_would_mend():
    checks = [ok("a", "x"), warning("b", "x", "y", remedy=Remedy.LEFTOVERS)]
    assert wants(checks, Remedy.LEFTOVERS)
    assert not wants(checks, Remedy.EMULATORS)
