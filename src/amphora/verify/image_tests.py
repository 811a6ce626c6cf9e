"""The tests that an image brings: `/amphora-test.yaml`, and all in `/amphora-test.d`.

They can only make an image worse: what it says cannot be read, or fails, is its own fault.
"""

from collections.abc import Iterator

from amphora.core.errors import InvalidValueError
from amphora.verify.findings import Finding
from amphora.verify.suite import Suite
from amphora.verify.suite_file import parse_suite
from amphora.verify.tree import Node, Tree

_FILE, _DIRECTORY = "/amphora-test.yaml", "/amphora-test.d"


def read_image_tests(tree: Tree) -> tuple[tuple[Suite, ...], list[Finding]]:
    """The tests in a tree, and what is wrong with those that cannot be read."""
    suites: list[Suite] = []
    findings: list[Finding] = []
    for path, node in _files(tree):
        text = node.item.text if node.item else None
        if text is None:
            what = "these tests are no file, or one that is too large"
            findings.append(Finding("error", "tests", path, what))
            continue
        try:
            suites.append(parse_suite(text, f"the image's {path}"))
        except InvalidValueError as error:
            findings.append(Finding("error", "tests", path, f"{error}"))
    return tuple(suites), findings


def _files(tree: Tree) -> Iterator[tuple[str, Node]]:
    place = tree.find(_FILE)
    if place is not None:
        yield _FILE, place.node
    for name, node in tree.directory(_DIRECTORY).items():
        yield f"{_DIRECTORY}/{name}", node
