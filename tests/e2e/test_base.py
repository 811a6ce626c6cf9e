"""`base create` where it fails; that it works, the getting-started document shows."""

import shutil

import pytest

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@pytest.fixture(autouse=True)
def _needs_mmdebstrap():
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: make setup")


def test_an_unknown_suite_is_said_in_mmdebstraps_words(amphora):
    failed = amphora("base", "create", "debian:nosuchsuite", "--platform", "linux/amd64")
    assert failed.returncode == 23
    assert "mmdebstrap exited with status" in failed.stderr
    assert "nosuchsuite" in failed.stderr
    assert amphora.ok("image", "ls").splitlines()[1:] == []
    assert list((amphora.store / "work").iterdir()) == []


def test_other_distributions_are_refused_before_anything_starts(amphora):
    failed = amphora("base", "create", "fedora:42")
    assert failed.returncode == 10
    assert "for example debian:trixie" in failed.stderr
