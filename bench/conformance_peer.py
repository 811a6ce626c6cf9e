"""Every case built with BuildKit too, in the root directory that BENCH_PEERS names.

    make conformance-peer                      all of them
    make conformance-peer CASES="copy add/tar" some

What BuildKit makes is compared with what the case expects, which is what amphora makes: a test
holds it to that. A difference that a case explains (`differs`) is listed; one that none
explains, and an explanation of what is no difference, fail.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path

from conformance.base import NAME, make_base
from conformance.case import ENVIRONMENT, Case, cases, host_architecture, lay_out
from conformance.look import NOTHING, Image, read_image
from conformance.serving import Site, served

_BUILD = ("docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false")
#: The peer may have no other network.
_NETWORK = "--network=host"
#: How a check is told at the end of a build.
_WARNING = re.compile(r"^(?:\x1b\[0m)? - (\w+): .* \(line (\d+)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """How a build ended, and what was said."""

    failed: bool
    said: str


@dataclass(frozen=True)
class Peer:
    """docker with buildx, as it answers below `root`; what it is to see lies in `scratch`."""

    root: Path
    scratch: Path
    base: Image
    base_digest: str
    site: Site

    def differences(self, case: Case) -> list[str]:
        """Lines as of ndiff: `-` is expected, `+` is BuildKit's."""
        place = self.scratch / "cases" / case.name
        lay_out(case, place, self.site)
        options: list[str] = []
        if case.has_parent:
            dockerfile = ["--file", self._seen(place / "parent.Dockerfile")]
            done = self._build(place / "parent", [*dockerfile, self._seen(place / "context")])
            assert not done.failed, done.said
            options = self._named("parent", place / "parent", _digest(place / "parent"))
        command = case.command(Path(self._seen(place)), self.site)
        done = self._build(place / "image", [*options, *command])
        warned = list(_compare_warnings(case, done))
        if case.error is not None:
            return [*warned, *_compare_errors(case, done)]
        if done.failed:
            return done.said.splitlines()[-8:]
        return [*warned, *self._compare(case, place / "image")]

    def _build(self, layout: Path, arguments: Sequence[str]) -> Done:
        """Build into a directory."""
        archive = layout.with_suffix(".tar")
        output = f"--output=type=oci,dest={self._seen(archive)}"
        base = self._named(NAME, self.scratch / NAME, self.base_digest)
        done = subprocess.run(
            ["chroot", str(self.root), *_BUILD, _NETWORK, *base, output, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": "/root", **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            with tarfile.open(archive) as tar:
                tar.extractall(layout)
        return Done(done.returncode != 0, done.stderr)

    def _compare(self, case: Case, layout: Path) -> list[str]:
        image = read_image(layout, _digest(layout))
        files = image.beyond(self.base if image.starts_with(self.base) else NOTHING)
        expected = [
            *case.files,
            *_lines(case.full_config()),
            *_lines(case.image),
            *_lines(case.times),
        ]
        fields = {name: image.document.get(name) for name in case.image}
        times = {path: image.times.get(path) for path in case.times}
        found = [*files, *_lines(image.config), *_lines(fields), *_lines(times)]
        return [line for line in ndiff(expected, found) if line.startswith(("-", "+"))]

    def _named(self, name: str, layout: Path, digest: str) -> list[str]:
        return ["--build-context", f"{name}=oci-layout://{self._seen(layout)}@{digest}"]

    def _seen(self, path: Path) -> str:
        """How a path below the root is called inside."""
        return f"/{path.relative_to(self.root)}"


def _lines(fields: object) -> list[str]:
    return [
        f"{name}: {json.dumps(value, sort_keys=True)}"
        for name, value in sorted(dict(fields).items())
    ]


def _digest(layout: Path) -> str:
    (only,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(only["digest"])


def _compare_warnings(case: Case, done: Done) -> Iterator[str]:
    if case.warnings is not None:
        found = {f"{rule}:{line}" for rule, line in _WARNING.findall(done.said)}
        yield from (f"- {warning}" for warning in sorted(set(case.warnings) - found))
        yield from (f"+ {warning}" for warning in sorted(found - set(case.warnings)))


def _compare_errors(case: Case, done: Done) -> Iterator[str]:
    assert case.error is not None
    if not done.failed:
        yield "+ it succeeded"
        return
    blamed = re.findall(r"^Dockerfile:(\d+)$", done.said, re.MULTILINE)
    if case.error.line is not None and blamed and blamed[-1] != str(case.error.line):
        yield f"- line {case.error.line}"
        yield f"+ line {blamed[-1]}: {done.said.splitlines()[-1]}"


def _peer(scratch: Path, root: Path, site: Site) -> Peer:
    layout = scratch / NAME
    digest = make_base(layout)
    index = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
    native = {each["platform"]["architecture"]: each["digest"] for each in index["manifests"]}
    return Peer(root, scratch, read_image(layout, native[host_architecture()]), digest, site)


def _report(case: Case, differences: Sequence[str]) -> bool:
    """Print what there is to say of a case; false if it should not be so."""
    if differences:
        reason = f"  ({case.differs})" if case.differs else ""
        print(f"{case.name}: {case.about}{reason}", *differences, sep="\n  ", flush=True)
    elif case.differs:
        print(f"{case.name}: no difference, where one is explained: {case.differs}", flush=True)
    return bool(differences) == bool(case.differs)


def main(names: Sequence[str]) -> int:
    """Compare the cases whose names begin so; returns an exit status."""
    root = Path(os.environ.get("BENCH_PEERS", ""))
    if not os.environ.get("BENCH_PEERS") or os.geteuid() != 0:
        print("BENCH_PEERS has to name a root directory with docker in it, and you to be root")
        return 2
    chosen = [case for case in cases() if not names or case.name.startswith(tuple(names))]
    scratch = Path(tempfile.mkdtemp(prefix="amphora-conformance-", dir=root / "tmp"))
    try:
        workers = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        with served(scratch / "site") as site, workers as pool:
            peer = _peer(scratch, root, site)
            found = zip(chosen, pool.map(peer.differences, chosen), strict=True)
            fine = [_report(case, differences) for case, differences in found]
    finally:
        shutil.rmtree(scratch)
    explained = sum(bool(case.differs) for case in chosen)
    print(f"{len(fine)} cases, {fine.count(False)} unexplained, {explained} explained differences")
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
