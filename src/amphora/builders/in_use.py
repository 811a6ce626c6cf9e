"""Which builder is in use: a word in a file, read at every start, so nothing heavy is here.

builders/.current    the name of a builder
"""

import os
from pathlib import Path

from amphora.core.errors import BuilderError
from amphora.core.settings import DEFAULT_BUILDER, read_builder_name
from amphora.system.files import write_atomically

_FILE = ".current"

#: More than this was not written by us.
_LONGEST = 256


def name_in_use(directory: Path) -> str:
    """The builder that `amphora builder use` chose; raises BuilderError if the file is damaged."""
    try:
        descriptor = os.open(directory / _FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return DEFAULT_BUILDER
    except OSError as error:
        raise _unreadable(directory, str(error.strerror).lower()) from error
    with open(descriptor, "rb") as file:
        text = file.read(_LONGEST).decode(errors="replace").strip()
    try:
        return read_builder_name(text)
    except ValueError as error:
        raise _unreadable(directory, f"it holds no name: {error}") from error


def put_in_use(directory: Path, name: str) -> None:
    """Choose a builder that is there."""
    if name == DEFAULT_BUILDER:
        (directory / _FILE).unlink(missing_ok=True)
    else:
        write_atomically(directory / _FILE, f"{name}\n".encode())


def _unreadable(directory: Path, why: str) -> BuilderError:
    return BuilderError(
        "it is not known which builder is in use",
        why=f"{directory / _FILE}: {why}",
        next_command="amphora builder use default",
    )
