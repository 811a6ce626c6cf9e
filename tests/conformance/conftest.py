"""A laboratory for conformance cases: the program, called in forks, and one store for all.

A fork of the test's own process has all modules imported already: what is left of a build is
the build. The command line, the worker's namespaces and the exit status are the program's.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conformance.base import NAME, make_base
from conformance.case import Case, host_architecture, lay_out
from conformance.look import NOTHING, Image, read_image
from conformance.serving import Site, served

import amphora.cli.building
import amphora.cli.commands.build  # noqa: F401  imported here, so that forks have them
from amphora.cli.main import main
from amphora.core.reference import Reference
from amphora.oci.layout import import_layout
from amphora.oci.store import Store


@dataclass(frozen=True)
class Done:
    """What a build printed, and its exit status."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class Laboratory:
    """Builds cases below a directory of its own."""

    home: Path
    base: Image

    @property
    def store(self) -> Path:
        return self.home / "store"

    def build(self, case: Case, site: Site | None) -> Done:
        place = self.home / "cases" / case.name
        lay_out(case, place, site)
        if case.has_parent:
            self._build_parent(place)
        return self._run("build", "--format", "json", *case.command(place, site))

    def image(self, done: Done) -> Image:
        return read_image(self.store, json.loads(done.output)["digest"])

    def files(self, image: Image) -> list[str]:
        """What is not from the base image, if it begins with that."""
        return image.beyond(self.base if image.starts_with(self.base) else NOTHING)

    def _build_parent(self, place: Path) -> None:
        dockerfile = place / "parent.Dockerfile"
        done = self._run("build", "--file", dockerfile, "--tag", "parent", place / "context")
        assert done.status == 0, done.errors

    def _run(self, *arguments: object) -> Done:
        output, errors = self.home / "output", self.home / "errors"
        status = _forked(list(map(str, arguments)), self._environment(), (output, errors))
        return Done(status, output.read_text(), errors.read_text())

    def _environment(self) -> dict[str, str]:
        home, store = str(self.home), str(self.store)
        return {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AMPHORA_STORE": store,
            "FROM_HERE": "env",
        }


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory) -> Laboratory:
    home = tmp_path_factory.mktemp("laboratory")
    layout = home / NAME
    digest = make_base(layout)
    store = Store(home / "store")
    store.tag(Reference.parse(NAME), import_layout(store.blobs, layout, tag="latest"))
    index = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
    native = next(
        each["digest"]
        for each in index["manifests"]
        if each["platform"]["architecture"] == host_architecture()
    )
    return Laboratory(home, read_image(layout, native))


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("served") / "site") as found:
        yield found


def _forked(arguments: Sequence[str], environment: dict[str, str], to: tuple[Path, Path]) -> int:
    """The exit status of the program, called in a fork of this process."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = _called(arguments, environment, to)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _called(arguments: Sequence[str], environment: dict[str, str], to: tuple[Path, Path]) -> int:
    """Standard output and error are files, also for what the program starts."""
    for number, path in enumerate(to, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = map(os.fdopen, (0, 1, 2), "rww")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["amphora", *arguments]
    try:
        main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 70
