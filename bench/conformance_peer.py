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

_BUILD = ("docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false")
#: The peer may have no other network.
_NETWORK = "--network=host"


@dataclass(frozen=True)
class Peer:
    """docker with buildx, as it answers below `root`; what it is to see lies in `scratch`."""

    root: Path
    scratch: Path
    base: Image
    base_digest: str

    def differences(self, case: Case) -> list[str]:
        """Lines as of ndiff: `-` is expected, `+` is BuildKit's."""
        place = self.scratch / "cases" / case.name
        lay_out(case, place)
        options: list[str] = []
        if case.has_parent:
            dockerfile = ["--file", self._seen(place / "parent.Dockerfile")]
            said = self._build(place / "parent", [*dockerfile, self._seen(place / "context")])
            assert not said, said
            options = self._named("parent", place / "parent", _digest(place / "parent"))
        said = self._build(place / "image", [*options, *case.command(Path(self._seen(place)))])
        if case.error is not None:
            return list(_compare_errors(case, said))
        return said.splitlines()[-8:] if said else self._compare(case, place / "image")

    def _build(self, layout: Path, arguments: Sequence[str]) -> str:
        """Build into a directory; returns what was said if it failed."""
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
        if done.returncode:
            return done.stderr or "it failed without a word"
        with tarfile.open(archive) as tar:
            tar.extractall(layout)
        return ""

    def _compare(self, case: Case, layout: Path) -> list[str]:
        image = read_image(layout, _digest(layout))
        files = image.beyond(self.base if image.starts_with(self.base) else NOTHING)
        expected = [*case.files, *_lines(case.full_config()), *_lines(case.image)]
        fields = {name: image.document.get(name) for name in case.image}
        found = [*files, *_lines(image.config), *_lines(fields)]
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


def _compare_errors(case: Case, said: str) -> Iterator[str]:
    assert case.error is not None
    if not said:
        yield "+ it succeeded"
        return
    blamed = re.findall(r"^Dockerfile:(\d+)$", said, re.MULTILINE)
    if case.error.line is not None and blamed and blamed[-1] != str(case.error.line):
        yield f"- line {case.error.line}"
        yield f"+ line {blamed[-1]}: {said.splitlines()[-1]}"


def _peer(scratch: Path, root: Path) -> Peer:
    layout = scratch / NAME
    digest = make_base(layout)
    index = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
    native = {each["platform"]["architecture"]: each["digest"] for each in index["manifests"]}
    return Peer(root, scratch, read_image(layout, native[host_architecture()]), digest)


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
        peer = _peer(scratch, root)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = zip(chosen, pool.map(peer.differences, chosen), strict=True)
            fine = [_report(case, differences) for case, differences in found]
    finally:
        shutil.rmtree(scratch)
    explained = sum(bool(case.differs) for case in chosen)
    print(f"{len(fine)} cases, {fine.count(False)} unexplained, {explained} explained differences")
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
