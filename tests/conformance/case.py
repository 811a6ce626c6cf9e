"""One conformance case: a directory with a Dockerfile, its context, and what must come out.

    GROUP/NAME/
      Dockerfile
      expect.toml          what must come out, below
      context/             what COPY sees; no directory: an empty context
      parent.Dockerfile    built first, as the image `parent`
      …                    whatever else the arguments name by {case}

`expect.toml` says what the case is `about`, and may give more `arguments` to `amphora build`
and a script that has the context `prepare`d (what Git does not keep: modes, empty directories,
archives). Then either the `error`, or the image: `files`, one a line as `look` writes them,
beyond those of the base; `times`, in seconds since 1970, where they matter; and `config`, as far
as it differs from that of `FROM scratch`. `warnings` are build checks, `NAME:LINE`, and all that
there are. `differs` says why BuildKit does something else there.

@SITE@ in Dockerfiles and arguments is the address of what `serving` serves, @HOST@ its host.
"""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.serving import Site

from amphora.oci.config import DEFAULT_PATH

CASES = Path(__file__).with_name("cases")

#: What --build-arg without a value may find.
ENVIRONMENT = {"FROM_HERE": "env"}

_PLACEHOLDERS = ("@SITE@", "@HOST@")
_PATH = f"PATH={DEFAULT_PATH}"


@dataclass(frozen=True)
class Failure:
    """How a build must fail: the line that is to blame, and what is said of it."""

    says: str
    line: int | None = None


@dataclass(frozen=True)
class Case:
    """A case as it is written; `image` are fields of the image config beside `config`."""

    directory: Path
    about: str
    arguments: Sequence[str] = ()
    prepare: str = ""
    files: Sequence[str] = ()
    times: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    image: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    warnings: Sequence[str] | None = None
    differs: str = ""

    @property
    def name(self) -> str:
        return str(self.directory.relative_to(CASES))

    @property
    def has_parent(self) -> bool:
        return (self.directory / "parent.Dockerfile").exists()

    @property
    def is_served(self) -> bool:
        """Does it fetch something from the site?"""
        texts = [*self.arguments, *(path.read_text() for path in _dockerfiles(self.directory))]
        return any(name in text for name in _PLACEHOLDERS for text in texts)

    def full_config(self) -> dict[str, Any]:
        """The whole `config` that must come out; Env goes on behind the usual PATH."""
        environment = self.config.get("Env", [])
        if not any(entry.startswith("PATH=") for entry in environment):
            environment = [_PATH, *environment]
        return {"WorkingDir": "/", **self.config, "Env": environment}

    def command(self, place: Path, site: Site | None = None) -> list[str]:
        """The arguments of `build`, where the case lies in `place`."""
        given = [text.replace("{case}", str(place)) for text in self.arguments]
        if site is not None:
            given = [site.filled_in(text) for text in given]
        return ["--file", f"{place}/Dockerfile", *given, f"{place}/context"]


def load(directory: Path) -> Case:
    """Read a case; raises ValueError for an expectation that means nothing."""
    text = (directory / "expect.toml").read_text()
    said = tomllib.loads(text.replace("@ARCH@", host_architecture()))
    strangers = said.keys() - Case.__dataclass_fields__.keys() | said.keys() & {"directory"}
    if strangers or ("error" in said) == bool(said.keys() & {"files", "config"}):
        raise ValueError(f"{directory}: {strangers or 'either an error, or files and config'}")
    files = said.pop("files", "").split("\n")
    error = said.pop("error", None)
    return Case(
        directory,
        **said,
        files=sorted(filter(None, files)),
        error=Failure(**error) if error else None,
    )


def cases() -> list[Case]:
    return [load(path.parent) for path in sorted(CASES.glob("*/*/expect.toml"))]


def lay_out(case: Case, place: Path, site: Site | None = None) -> None:
    """Put a case somewhere, with the modes that Git means, and have its context prepared."""
    shutil.copytree(case.directory, place, symlinks=True)
    if site is not None:
        for path in _dockerfiles(place):
            path.write_bytes(site.filled_in(path.read_bytes().decode()).encode())
    context = place / "context"
    context.mkdir(exist_ok=True)
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or os.access(path, os.X_OK)
            path.chmod(0o755 if executable else 0o644)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    script = f"umask 022; {case.prepare}"
    subprocess.run(["sh", "-ec", script], cwd=context, env=environment, check=True)


def _dockerfiles(directory: Path) -> list[Path]:
    return list(directory.glob("*Dockerfile"))


def host_architecture() -> str:
    """As images call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
