"""The flags of `amphora build` that say where the image goes and what is told about it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec import Struct

from amphora.cli.options import REFERENCE
from amphora.cli.outputs import Output, read_outputs
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False)

_OPTIONS = (
    click.option("-t", "--tag", "tags", type=REFERENCE, multiple=True, help="Name of the image."),
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="DIRECTORY|type=TYPE[,NAME=VALUE…]",
        help="Where to put the image beside the store: type=local|tar|oci|docker|image|registry; "
        "options are dest=, name=, push=, compression=gzip|zstd|estargz, annotation.KEY=, ….",
    ),
    click.option("--push", is_flag=True, help="Send the image to the registries its tags name."),
    click.option(
        "--load",
        is_flag=True,
        help="Give the image to docker or containerd, where one of them runs.",
    ),
    click.option(
        "--annotation",
        "annotations",
        multiple=True,
        metavar="[PLACE:]KEY=VALUE",
        help="Annotate the image; PLACE is manifest (as without), manifest[PLATFORM], index, "
        "manifest-descriptor or index-descriptor.",
    ),
    click.option(
        "--metadata-file", type=_FILE, help="Write the image's digest, names and more, as JSON."
    ),
    click.option("--iidfile", "digest_file", type=_FILE, help="Write the image's digest."),
)

#: The names under which a command gets them.
OUTPUT_NAMES = (
    "tags",
    "outputs",
    "push",
    "load",
    "annotations",
    "metadata_file",
    "digest_file",
)


class Wanted(Struct, frozen=True):
    """Names, outputs, and the files that tell of them."""

    tags: Sequence[Reference]
    outputs: Sequence[Output]
    metadata_file: Path | None
    digest_file: Path | None

    @property
    def loads(self) -> bool:
        """Is the image to be given to a container engine?"""
        return any(item.kind == "docker" and not item.destination for item in self.outputs)

    @property
    def all_names(self) -> list[Reference]:
        """Those of all outputs, every one once, those of --tag first."""
        named = (name for output in self.outputs for name in output.names)
        return list(dict.fromkeys([*self.tags, *named]))

    def names_of(self, output: Output) -> list[Reference]:
        """Every name once, those of --tag first."""
        return list(dict.fromkeys([*self.tags, *output.names]))


def output_options(function: F) -> F:
    """Add the flags to a command, which gets them as `read_wanted` takes them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_wanted(
    *,
    tags: tuple[Reference, ...],
    outputs: tuple[str, ...],
    push: bool,
    load: bool,
    annotations: tuple[str, ...],
    metadata_file: Path | None,
    digest_file: Path | None,
) -> Wanted:
    """The flags as a value; raises InvalidValueError."""
    for flag, path in (("--metadata-file", metadata_file), ("--iidfile", digest_file)):
        if path is not None:
            check_writable(flag, path)
    found = read_outputs(outputs, push=push, load=load, annotations=annotations)
    for output in found:
        if output.is_file:
            check_writable("--output", Path(output.destination))
    wanted = Wanted(tags, found, metadata_file, digest_file)
    if any(output.push and not wanted.names_of(output) for output in found):
        raise InvalidValueError(
            "cannot push an image without a name",
            why="it is sent to the registry that its tag names",
            next_command="add -t HOST[:PORT]/NAME:TAG",
        )
    return wanted


def check_writable(flag: str, path: Path) -> None:
    """Raises InvalidValueError if no file can be put there, before a build is done for it."""
    directory = path.absolute().parent
    why = ""
    if path.is_dir():
        why = "it is a directory"
    elif not directory.is_dir():
        why = f"{directory} is no directory"
    elif not os.access(directory, os.W_OK):
        why = f"you may not write to {directory}"
    if why:
        raise InvalidValueError(
            f"{flag} cannot be written to {path}", why=why, next_command="name another file"
        )
