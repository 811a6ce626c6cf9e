"""The line of a file that is to blame, as errors show it."""


def excerpt(place: str, line: int, content: str, column: int = 0, width: int = 1) -> str:
    """Three lines for a terminal: place, content, carets; tabs keep their place."""
    number = f"{line:4}"
    padding = "".join("\t" if character == "\t" else " " for character in content[:column])
    return f"{place}\n{number} | {content}\n{' ' * len(number)} | {padding}{'^' * width}"
