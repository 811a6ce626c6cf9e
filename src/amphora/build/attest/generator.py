"""An SBOM by somebody else: an image that looks through the files, as BuildKit's scanners do.

https://github.com/moby/buildkit/blob/master/docs/attestations/sbom-protocol.md. It runs on this
machine's platform; the files of the image are shown to it, and nobody can change them there.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from amphora.build.attaching import Attached
from amphora.build.attest.facts import Predicate
from amphora.build.attest.names import SBOM
from amphora.build.preparing import Prepared
from amphora.build.run_options import RunOptions
from amphora.build.sandbox import Sandbox
from amphora.build.state import ImageState
from amphora.build.steps import RunStep
from amphora.core.errors import StepFailedError
from amphora.core.platform import Platform
from amphora.oci.config import chain_id
from amphora.oci.steps import CacheRecord
from amphora.oci.workspace import remove_tree
from amphora.runtime.spec import Bind, Memory
from amphora.system.roots import list_in_root, read_in_root
from amphora.system.tasks import in_thread

#: Where BuildKit shows a scanner the files, and where it looks for what the scanner wrote.
_SOURCE = "/run/src/core/sbom"
_DESTINATION = "/run/out"

_CYCLONEDX = "https://cyclonedx.org/bom"
_KINDS = (SBOM, _CYCLONEDX)

#: What no SBOM has, be it of a million files.
_LARGEST = 256 << 20
_MOST_FILES = 100
_MEDIA_TYPE = "application/json"


class _Shown(Struct, frozen=True):
    """A directory, or memory, that the generator finds; none of it is in an image's cache key."""

    mount: Bind | Memory
    turn: str = ""

    @property
    def target(self) -> str:
        return self.mount.target

    def facts(self) -> dict[str, Any]:
        return {"target": self.target}

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind | Memory]:
        yield self.mount


class Generator(Struct, frozen=True):
    """Runs the image of that name; `ready` is the build whose images it looks at."""

    name: str
    ready: Prepared

    async def predicates(
        self, platform: Platform, state: ImageState, on_output: Callable[[bytes], None]
    ) -> tuple[list[Predicate], bool]:
        """What it says of an image, and whether that was remembered.

        Raises StepFailedError if it fails, or writes what is no SBOM, and what fetching its
        image raises.
        """
        store, use_cache = self.ready.shop.store, self.ready.request.use_cache
        image, _ = await self.ready.bases.resolve(self.name, Platform.host())
        who = ",".join(str(layer.diff_id) for layer in image.layers)
        told = [*self._arguments(image), *(image.config.env or ()), image.config.user]
        key = f"sbom by {who} {told} of {chain_id(state.diff_ids)} {platform}"
        record = store.cache_get(key) if use_cache else None
        if record is not None and record.layer is not None:
            content = await in_thread(store.blobs.read, record.layer.digest)
            return msgspec.json.decode(content, type=list[Predicate]), True
        started = time.monotonic()
        found = await self._run(image, state, on_output)
        stored = await in_thread(store.blobs.put, msgspec.json.encode(found), _MEDIA_TYPE)
        seconds = time.monotonic() - started
        store.cache_put(key, CacheRecord(stored, None, "", "native", seconds))
        return found, False

    def _arguments(self, image: ImageState) -> Sequence[str]:
        arguments = (*(image.config.entrypoint or ()), *(image.config.cmd or ()))
        if not arguments:
            raise self._error("its image has neither ENTRYPOINT nor CMD")
        return arguments

    async def _run(
        self, image: ImageState, state: ImageState, on_output: Callable[[bytes], None]
    ) -> list[Predicate]:
        shop = self.ready.shop
        area = shop.work / secrets.token_hex(4)
        out, files = area / "out", area / "files"
        out.mkdir(parents=True)
        out.chmod(0o777)
        try:
            for layers in (image.layers, state.layers):
                await in_thread(shop.snapshots.unpack, layers)
            mounts = (Bind(files, _SOURCE), Bind(out, _DESTINATION, read_only=False))
            step = self._step(image, [*mounts, Memory("/tmp")])  # noqa: S108  inside
            with (
                shop.snapshots.shown(state.diff_ids, files),
                shop.snapshots.mounted(image.diff_ids) as overlay,
            ):
                await step.perform(overlay.root, on_output)
            return await in_thread(self._read, out)
        finally:
            await in_thread(remove_tree, area)

    def _step(self, image: ImageState, mounts: Sequence[Bind | Memory]) -> RunStep:
        shop, host = self.ready.shop, Platform.host()
        return RunStep(
            runtime=shop.runtime,
            execution=shop.emulation.prepare([host])[host],
            title=f"the generator {self.name}",
            arguments=self._arguments(image),
            environment={
                **image.environment,
                "BUILDKIT_SCAN_SOURCE": _SOURCE,
                "BUILDKIT_SCAN_DESTINATION": _DESTINATION,
            },
            passing_environment={},
            working_directory=image.config.working_dir or "/",
            user=image.config.user,
            sandbox=Sandbox(shop.networks, shop.private, RunOptions()),
            attached=Attached(tuple(map(_Shown, mounts))),
        )

    def _read(self, out: Path) -> list[Predicate]:
        names = [name for name in list_in_root(out, "") if name.endswith(".json")]
        if not names:
            raise self._error(f"it wrote no *.spdx.json into {_DESTINATION}")
        if len(names) > _MOST_FILES:
            raise self._error(f"it wrote {len(names)} files")
        return [self._predicate(out, name) for name in names]

    def _predicate(self, out: Path, name: str) -> Predicate:
        content = read_in_root(out, name, _LARGEST + 1)
        if content is None or len(content) > _LARGEST:
            raise self._error(f"its {name[:80]!r} is no file, or too large")
        try:
            said = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._error(f"its {name[:80]!r} is no JSON: {error}") from error
        kind, predicate = said.get("predicateType"), said.get("predicate")
        if kind is None and "spdxVersion" in said:
            kind, predicate = SBOM, said
        if kind not in _KINDS or not isinstance(predicate, Mapping):
            raise self._error(f"its {name[:80]!r} is neither SPDX nor CycloneDX")
        return Predicate(kind, predicate, name)

    def _error(self, why: str) -> StepFailedError:
        return StepFailedError(
            f"the generator {self.name} made no SBOM",
            why=why,
            next_command="use another one, or amphora's own: --sbom=true",
        )
