"""Prints docs/settings.md: the settings table as a page (`make docs`)."""

from amphora.core.settings import TABLE

_HEAD = """# Settings

Each can be given as a flag before the command (`amphora --jobs 4 build .`), in the
environment, or in `~/.config/amphora/config.toml`; the first that is given counts, in this
order. This page is made from the settings table by `make docs`.
"""


def page() -> str:
    """The whole page, Markdown."""
    lines = [_HEAD, "| flag | environment | file key | what | default |", "|---|---|---|---|---|"]
    lines += [
        f"| `{row.flag} {row.metavar}` | `{row.variable}` | `{row.key}` | {row.help} "
        f"| {row.default_text} |"
        for row in TABLE
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
