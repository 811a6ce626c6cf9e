"""What the pages claim is shown by tests: those that they name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"`(?P<file>(?:unit|privileged|e2e)/[\w/]+\.py)(?:::(?P<test>\w+))?`")


@pytest.mark.parametrize("page", ["handoff.md", "emulator-compared.md"])
def test_every_test_that_a_page_names_is_there(page):
    named = list(_NAMED.finditer((ROOT / "docs" / page).read_text()))
    assert len(named) > 5
    for each in named:
        content = (ROOT / "tests" / each["file"]).read_text()
        assert each["test"] is None or f"def {each['test']}(" in content, each[0]


def test_every_row_of_the_comparison_has_its_test():
    page = (ROOT / "docs/emulator-compared.md").read_text()
    rows = [line for line in page.splitlines() if line.count(" | ") == 4]
    heading, *rest = rows
    assert heading.endswith("| shown by |")
    assert len(rest) > 25
    assert [row for row in rest if not _NAMED.search(row.rpartition(" | ")[2])] == []
