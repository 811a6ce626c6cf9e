"""Every case of `cases/` comes out as it must; see `case` for how one is written."""

import re

import pytest
from conformance.case import CASES, cases

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

ALL = cases()


def test_there_are_many_cases_and_each_has_what_it_takes():
    assert len(ALL) >= 300
    assert all(case.about and (case.directory / "Dockerfile").exists() for case in ALL)
    assert {path.parent for path in CASES.glob("*/*/*")} == {case.directory for case in ALL}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_case(laboratory, case):
    done = laboratory.build(case)
    if case.error is None:
        assert done.status == 0, done.errors
        image = laboratory.image(done)
        assert laboratory.files(image) == case.files
        assert image.config == case.full_config()
        assert {name: image.document.get(name) for name in case.image} == case.image
        return
    assert done.status in range(10, 60), f"{done.errors or 'it succeeded'}"
    assert re.search(case.error.says, done.errors), done.errors
    if case.error.line is not None:
        blamed = re.findall(r"Dockerfile:(\d+)$", done.errors, re.MULTILINE)
        assert blamed[-1:] == [str(case.error.line)], done.errors
