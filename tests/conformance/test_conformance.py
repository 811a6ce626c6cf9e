"""Every case of `cases/` comes out as it must; see `case` for how one is written."""

import re
import tomllib
from pathlib import Path

import pytest
from conformance.case import CASES, cases

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

ROOT = Path(__file__).parents[2]
ALL = cases()


def test_there_are_many_cases_and_each_has_what_it_takes():
    assert len(ALL) >= 300
    assert all(case.about and (case.directory / "Dockerfile").exists() for case in ALL)
    assert {path.parent for path in CASES.glob("*/*/*")} == {case.directory for case in ALL}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_case(laboratory, request, case):
    site = request.getfixturevalue("site") if case.is_served else None
    done = laboratory.build(case, site)
    if case.warnings is not None:
        found = re.findall(r"^WARN .*Dockerfile:(\d+): .* \((\w+)\)$", done.errors, re.MULTILINE)
        assert sorted(f"{rule}:{line}" for line, rule in found) == sorted(case.warnings)
    if case.error is None:
        assert done.status == 0, done.errors
        image = laboratory.image(done)
        assert laboratory.files(image) == case.files
        assert {path: image.times[path] for path in case.times} == case.times
        assert image.config == case.full_config()
        assert {name: image.document.get(name) for name in case.image} == case.image
        return
    assert done.status in range(10, 60), f"{done.errors or 'it succeeded'}"
    assert re.search(case.error.says, done.errors), done.errors
    if case.error.line is not None:
        blamed = re.findall(r"Dockerfile:(\d+)$", done.errors, re.MULTILINE)
        assert blamed[-1:] == [str(case.error.line)], done.errors


def test_every_part_of_the_reference_has_cases_that_exist():
    table = tomllib.loads((CASES.parent / "reference.toml").read_text())
    named = [name for section in table.values() for names in section.values() for name in names]
    assert all(names for section in table.values() for names in section.values())
    assert {name for name in named if not _exists(name)} == set()


def _exists(name: str) -> bool:
    """Is it a case, or a test in a file?"""
    path, _, function = name.partition("::")
    if not function:
        return (CASES / name / "expect.toml").exists()
    file = ROOT / path
    return file.exists() and f"\ndef {function}(" in file.read_text()
