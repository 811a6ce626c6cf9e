"""docs/benchmarks.md: a section for each benchmark, written by whichever was run last."""

import datetime
import re
from pathlib import Path

from measure import machine

REPORT = Path(__file__).parents[1] / "docs/benchmarks.md"

_HEAD = """# Benchmarks

Every section is written by the command it names, which does the same work in several ways,
in turns, on one machine. Only the ratios mean anything on another machine.
"""


def write_section(title: str, text: str) -> None:
    """Replace the section of that title, or add it; the other sections stay as they are."""
    page = REPORT.read_text() if REPORT.exists() else _HEAD
    date = datetime.date.today().isoformat()
    section = f"## {title}\n\n{text.strip()}\n\nMeasured {date} on {machine()}.\n"
    old = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    page = old.sub(lambda _: section + "\n", page) if old.search(page) else f"{page}\n{section}"
    REPORT.write_text(page.rstrip() + "\n")
    print(section)
