"""docs/arm64-host.md: the log of the last machine on which everything held."""

import datetime
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/arm64-host.md"

_LOG = re.compile(r"(?<=<!-- log -->\n).*?(?=<!-- end of log -->)", re.DOTALL)


def write_log(log: str, emulator: str, seconds: float) -> None:
    """Put a log into the page, in place of the one that is there."""
    date = datetime.date.today().isoformat()
    text = f"{date}, {emulator}, {seconds:.0f} s from switching it on to its end:\n\n"
    text += f"```text\n{log}\n```\n"
    page = PAGE.read_text()
    if not _LOG.search(page):
        raise ValueError(f"{PAGE} has no place for the log")
    PAGE.write_text(_LOG.sub(lambda _: text, page))
