"""The SBOM of a variant: its files are looked through once, and remembered by what they are."""

import time
from datetime import datetime

import msgspec

from amphora.build.attest.facts import Predicate
from amphora.build.attest.names import SBOM
from amphora.build.state import ImageState
from amphora.build.workshop import Workshop
from amphora.core.descriptor import Descriptor
from amphora.core.platform import Platform
from amphora.oci.config import chain_id, timestamp
from amphora.oci.steps import CacheRecord
from amphora.sbom.scan import scan
from amphora.sbom.spdx import document

#: Part of every key: raised when the same files come to another document.
_VERSION = 1
#: As BuildKit calls it, in a directory of the image's files.
_FILENAME = "sbom.spdx.json"
_MEDIA_TYPE = "application/spdx+json"
#: For an image that does not say when it was made, as tar has it for a file that does not.
_NO_TIME = "1970-01-01T00:00:00Z"


def sbom(
    shop: Workshop, platform: Platform, state: ImageState, *, use_cache: bool
) -> tuple[Predicate, bool]:
    """What software is in the image that a state is, and whether that was remembered.

    Blocks, for as long as the files take. Raises what unpacking layers raises.
    """
    created = _second(state.created)
    key = f"sbom {_VERSION} {_identity(state)} {platform} {created}"
    record = shop.store.cache_get(key) if use_cache else None
    known = stored = record.layer if record else None
    if stored is None:
        started = time.monotonic()
        stored = _document(shop, platform, state, created)
        seconds = time.monotonic() - started
        shop.store.cache_put(key, CacheRecord(stored, None, created, "worker", seconds))
    content = msgspec.json.decode(shop.store.blobs.read(stored.digest))
    return Predicate(SBOM, content, _FILENAME), known is not None


def _document(shop: Workshop, platform: Platform, state: ImageState, created: str) -> Descriptor:
    shop.snapshots.unpack(state.layers)
    with shop.snapshots.mounted(state.diff_ids) as overlay:
        inventory = scan(overlay.root)
    name = f"files of {platform}"
    content = document(inventory, name=name, identity=_identity(state), created=created)
    return shop.store.blobs.put(msgspec.json.encode(content), _MEDIA_TYPE)


def _identity(state: ImageState) -> str:
    return str(chain_id(state.diff_ids) or "scratch")


def _second(created: str | None) -> str:
    """SPDX wants whole seconds, UTC; other builders write fractions, or what is no time."""
    try:
        return timestamp(datetime.fromisoformat(created or _NO_TIME).timestamp())
    except (ValueError, OverflowError):
        return _NO_TIME
