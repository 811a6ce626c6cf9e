"""Every file of every variant against its label, without running any of them.

Layers are read as streams, each once however many variants share it, and variants side by
side: it takes about as long as decompressing them.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.graph import image_for
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer
from amphora.oci.store import Store
from amphora.oci.workspace import workspace
from amphora.system.binary import Binary
from amphora.verify.entry import environment_of, interpreter_of, judge_entry, look_up
from amphora.verify.findings import ALLOW_ANNOTATION, Allowed, Finding, Level
from amphora.verify.image_tests import read_image_tests
from amphora.verify.labels import Baselines, judge
from amphora.verify.loading import TRIPLETS, Libraries, Missing
from amphora.verify.scan import Item, scan_layer
from amphora.verify.selection import chosen_platforms
from amphora.verify.suite import Suite
from amphora.verify.tree import Place, Tree

#: Where scripts lie that nobody starts: a distribution's examples, sources and modules.
_UNSTARTED = re.compile(r"/(?:usr/)?(?:local/)?(?:lib\w*|share|src|include|etc)/|/etc/|/var/")
#: Libraries of several generations side by side, of which the loader chooses; ld.so(8).
_CHOSEN_BY_CPU = "/glibc-hwcaps/"


class StaticRequest(Struct, frozen=True):
    """`platforms` empty means all; `allow` are patterns of files that are foreign on purpose.

    With `image_may_allow`, the image itself may name more of them.
    """

    image: Descriptor
    platforms: Sequence[Platform] = ()
    baselines: Baselines = field(default_factory=Baselines)
    allow: Sequence[str] = ()
    image_may_allow: bool = True


class StaticReport(Struct, frozen=True):
    """What is wrong with a variant; `allowed` counts what is so on purpose.

    `created` is when its config says it was (RFC 3339), `suites` are the tests it brings.
    """

    platform: Platform
    manifest: Descriptor
    programs: int
    scripts: int
    allowed: int
    findings: tuple[Finding, ...]
    created: str | None = None
    suites: tuple[Suite, ...] = ()

    @property
    def errors(self) -> int:
        return sum(finding.level == "error" for finding in self.findings)


def verify_static(request: StaticRequest, store: Store) -> list[StaticReport]:
    """Hold every file to the label of its variant; one report each, in order.

    Raises NotFoundError for an image without variants, or without one that is asked for,
    LayerError and DigestMismatchError for layers that cannot be read.
    """
    platforms = chosen_platforms(store.blobs, request.image, request.platforms)
    found = [image_for(store.blobs, request.image, platform) for platform in platforms]
    with workspace(store.root) as scratch, _Scans(store.blobs, scratch) as scans:
        for _, manifest, config in found:
            scans.begin(manifest, config)
        return [
            _Inspection(request, platform, descriptor, manifest, config).report(scans)
            for platform, (descriptor, manifest, config) in zip(platforms, found, strict=True)
        ]


class _Scans:
    """Layers being read, each once, as many at a time as there are CPUs."""

    def __init__(self, blobs: BlobStore, scratch: Path) -> None:
        self._blobs = blobs
        self._scratch = scratch
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "scan")
        self._scans: dict[tuple[Digest, Digest], Future[list[Item]]] = {}

    def __enter__(self) -> "_Scans":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, manifest: Manifest, config: ImageConfig) -> None:
        for layer in map(Layer, manifest.layers, config.diff_ids):
            key = (layer.blob.digest, layer.diff_id)
            if key not in self._scans:
                scan = self._pool.submit(scan_layer, self._blobs, layer, self._scratch)
                self._scans[key] = scan

    def items(self, layer: Layer) -> list[Item]:
        return self._scans[layer.blob.digest, layer.diff_id].result()


class _Inspection:
    """One variant, while its files are held to its label."""

    def __init__(
        self,
        request: StaticRequest,
        platform: Platform,
        descriptor: Descriptor,
        manifest: Manifest,
        config: ImageConfig,
    ) -> None:
        self._request = request
        self._asked = platform
        self._descriptor = descriptor
        self._manifest = manifest
        self._config = config
        #: What the index says, since that is what sends it to a machine.
        self._platform = descriptor.platform or config.platform
        self._made_by = _makers(config)
        self._tree = Tree()

    def report(self, scans: _Scans) -> StaticReport:
        layers = list(map(Layer, self._manifest.layers, self._config.diff_ids))
        for number, layer in enumerate(layers, 1):
            self._tree.apply(number, scans.items(layer))
        labels = self._config.config.labels or {}
        spoken = (self._manifest.annotations.get(ALLOW_ANNOTATION), labels.get(ALLOW_ANNOTATION))
        own = [pattern for text in spoken if text for pattern in text.split()]
        if not self._request.image_may_allow:
            own = []
        allowed = Allowed([*self._request.allow, *own])
        counts = Counter[str]()
        kept: list[Finding] = []
        suites, unreadable = read_image_tests(self._tree)
        for finding in (*self._findings(counts), *unreadable):
            if allowed.covers(finding):
                counts["allowed"] += 1
            else:
                kept.append(finding)
        return StaticReport(
            platform=self._asked,
            manifest=self._descriptor,
            programs=counts["programs"],
            scripts=counts["scripts"],
            allowed=counts["allowed"],
            findings=tuple(kept),
            created=self._config.created,
            suites=suites,
        )

    def _findings(self, counts: Counter[str]) -> Iterator[Finding]:
        yield from self._label()
        for where, name, why in judge_entry(self._tree, self._config.config, self._platform):
            finding = Finding("error", "entry", where.path if where else name, why)
            yield self._at(where, finding) if where else finding
        libraries = Libraries(self._tree, environment_of(self._config.config))
        for place in self._tree.files():
            item = place.node.item
            if item is None:
                continue
            if item.binary is not None:
                counts["programs"] += 1
                found = self._binary(place, item.binary, libraries)
            elif item.start and item.is_executable:
                counts["scripts"] += 1
                found = self._script(place, item)
            else:
                continue
            yield from (self._at(place, finding) for finding in found)

    def _label(self) -> Iterator[Finding]:
        """The index and the config must tell the same, and tell of the same layers."""
        said, called = self._config.platform, self._platform
        # Configs of older images leave the variant out, which then reads as the usual one.
        unusual = said != Platform.normalise(said.os, said.architecture)
        alike = (said.os, said.architecture) == (called.os, called.architecture)
        if not alike or (said != called and unusual):
            what = f"the index calls the variant {called}, its config says {said}"
            yield Finding("error", "label", "", what)
        layers, diff_ids = len(self._manifest.layers), len(self._config.diff_ids)
        if layers != diff_ids:
            what = f"the manifest has {layers} layers, the config tells of {diff_ids}"
            yield Finding("error", "label", "", what)

    def _binary(self, place: Place, binary: Binary, libraries: Libraries) -> Iterator[Finding]:
        path = place.path
        verdicts = list(judge(binary, self._platform, self._request.baselines))
        for kind, what in verdicts:
            if kind == "architecture" and _is_cross(path, binary):
                continue
            if kind == "baseline" and _CHOSEN_BY_CPU in path:
                continue
            yield Finding("error", kind, path, what)
        # What no loader of this variant will ever load has nothing missing.
        if binary.architecture != self._platform.architecture or not binary.is_loaded:
            return
        if binary.interpreter:
            yield from self._program(path, binary, libraries)
        else:
            for name in binary.needed:
                if not libraries.is_anywhere(name, binary.architecture):
                    what = f"it needs {name}, and the image has none"
                    yield Finding("warning", "library", path, what)

    def _program(self, path: str, binary: Binary, libraries: Libraries) -> Iterator[Finding]:
        loader = self._tree.find(binary.interpreter)
        item = loader.node.item if loader else None
        if item is None or item.binary is None:
            what = f"it needs the loader {binary.interpreter}, and the image has none"
            yield Finding("error", "loader", path, what)
            return
        if item.binary.header != binary.header:
            what = f"its loader {binary.interpreter} is for another CPU"
            yield Finding("error", "loader", path, what)
            return
        for missing in libraries.missing(path, binary):
            # Somebody may start it with LD_LIBRARY_PATH set.
            level: Level = "warning" if missing.elsewhere else "error"
            yield Finding(level, "library", path, _lack(path, missing))

    def _script(self, place: Place, item: Item) -> Iterator[Finding]:
        interpreter = interpreter_of(item.start)
        if interpreter is None or _UNSTARTED.match(place.path):
            return
        environment = environment_of(self._config.config)
        for name in filter(None, (interpreter.path, interpreter.by_env)):
            if look_up(self._tree, name, environment) is None:
                shown = name.replace("\r", "\\r")
                what = f"its #! line names {shown}, and the image has none"
                yield Finding("warning", "interpreter", place.path, what)

    def _at(self, place: Place, finding: Finding) -> Finding:
        layer = place.node.layer
        made_by = self._made_by[layer - 1] if layer <= len(self._made_by) else ""
        return replace(finding, layer=layer, made_by=made_by)


def _makers(config: ImageConfig) -> list[str]:
    """The line of the history that made each layer; none if they cannot be told apart."""
    made = [each.created_by for each in config.history if not each.empty_layer]
    return made if len(made) == len(config.diff_ids) else []


def _is_cross(path: str, binary: Binary) -> bool:
    """Is it in a directory in which only cross compilers look for files of that CPU?"""
    triplets = TRIPLETS.get(binary.architecture or "", ())
    roots = (
        f"{root}{triplet}/" for triplet in triplets for root in ("/usr/", "/usr/lib/gcc-cross/")
    )
    return path.startswith(tuple(roots))


def _lack(path: str, missing: Missing) -> str:
    through = "" if missing.needed_by == path else f" (through {missing.needed_by})"
    if missing.wrong:
        return f"it needs {missing.name}{through}, and {missing.wrong}"
    if missing.elsewhere:
        return f"it needs {missing.name}{through}; {missing.elsewhere} is where no loader looks"
    return f"it needs {missing.name}{through}, and the image has none"
