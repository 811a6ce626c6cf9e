"""What language's package managers leave beside the files they install: Python, node, Go.

Each function is given one regular file of an image, which may say anything: it is read only so
far, and what makes no sense is no package.
"""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from amphora.core.paragraphs import paragraphs
from amphora.sbom.package import Package
from amphora.system.go_modules import read_modules

#: Of metadata the head is enough: what is long in them is a description.
_HEAD = 64 << 10
_LARGEST_JSON = 4 << 20

#: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
_PYTHON = re.compile(r".+\.dist-info/METADATA|.+\.egg-info(?:/PKG-INFO)?")
_NODE = re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/]+/package\.json")

_ELF = b"\x7fELF"


class _PackageJson(Struct, frozen=True):
    """https://docs.npmjs.com/cli/v11/configuring-npm/package-json"""

    name: str = ""
    version: str = ""


def packages_of(path: Path, place: str, *, executable: bool) -> Iterator[Package]:
    """The packages that a file tells of; `place` is its path below the root.

    Raises OSError if it cannot be read.
    """
    if _PYTHON.fullmatch(place):
        yield from _python(path, place)
    elif _NODE.fullmatch(place):
        yield from _node(path, place)
    elif executable:
        yield from _go(path, place)


def _python(path: Path, place: str) -> Iterator[Package]:
    with path.open("rb") as file:
        fields = next(paragraphs(file.read(_HEAD), ("Name", "Version")))
    if fields.get("Name") and fields.get("Version"):
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        yield Package("pypi", name, fields["Version"], place)


def _node(path: Path, place: str) -> Iterator[Package]:
    with path.open("rb") as file:
        content = file.read(_LARGEST_JSON)
    try:
        found = msgspec.json.decode(content, type=_PackageJson)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    scope, _, name = found.name.rpartition("/")
    if name and found.version:
        yield Package("npm", name, found.version, place, namespace=scope)


def _go(path: Path, place: str) -> Iterator[Package]:
    with path.open("rb") as file:
        if file.read(len(_ELF)) != _ELF:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            modules = read_modules(image)
    for module in modules:
        namespace, _, name = module.path.rpartition("/")
        yield Package("golang", name, module.version, place, namespace=namespace)
