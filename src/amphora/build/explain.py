"""What of an image handoff would give to native counterparts, without building anything.

Runs inside the worker's namespaces.
"""

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from amphora.core.descriptor import Descriptor
from amphora.core.errors import NotFoundError
from amphora.core.platform import Platform
from amphora.emulation.offer import Offer
from amphora.emulation.verdict import Reason, Verdict
from amphora.oci.config import DEFAULT_PATH
from amphora.oci.graph import image_for, variants
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.system.elf import read_header
from amphora.system.roots import find_in_root, list_in_root

Explained = Mapping[Platform, Sequence[Verdict]]


def explain(store: Store, image: Descriptor, platforms: Sequence[Platform]) -> Explained:
    """The verdict on every program that a shell would find, for each foreign variant.

    Programs that no rule names come last. Raises NotFoundError if the image has no native
    variant, which is where counterparts come from, or not the platform asked for.
    """
    native = Platform.host()
    present = [
        platform
        for platform, descriptor in variants(store.blobs, image).items()
        if store.blobs.has(descriptor.digest)
    ]
    if native not in present:
        raise NotFoundError(
            f"nothing of this image would be handed off: it has no variant for {native}",
            why="that is where native counterparts come from",
            next_command=f"pull it, or build it, for {native} too",
        )
    wanted = platforms or [platform for platform in present if platform != native]
    sweep_workspaces(store.root)
    with workspace(store.root) as work:
        snapshots = Snapshots(store.blobs, work)
        twin = _layers(store, image, native)
        return {
            platform: _explain_one(snapshots, twin, _layers(store, image, platform), platform, work)
            for platform in wanted
        }


def _layers(store: Store, image: Descriptor, platform: Platform) -> Sequence[Layer]:
    _, manifest, config = image_for(store.blobs, image, platform)
    return tuple(map(Layer, manifest.layers, config.diff_ids))


def _explain_one(
    snapshots: Snapshots,
    twin: Sequence[Layer],
    layers: Sequence[Layer],
    platform: Platform,
    work: Path,
) -> Sequence[Verdict]:
    snapshots.unpack(twin)
    snapshots.unpack(layers)
    with (
        snapshots.mounted([layer.diff_id for layer in twin]) as native,
        snapshots.mounted([layer.diff_id for layer in layers]) as foreign,
    ):
        side = Offer(work, native.root, platform).side(native.root)
        ruled = _one_for_each(foreign.root, side.judge(foreign.root, platform.architecture))
        unruled = _programs_without_rule(foreign.root, platform.architecture, set(ruled))
        return [*sorted(ruled.values(), key=lambda verdict: verdict.path), *unruled]


def _one_for_each(image: Path, verdicts: Iterable[Verdict]) -> dict[Path | None, Verdict]:
    """By file: a program has several names, and is handed off if one of them is."""
    found: dict[Path | None, Verdict] = {}
    for verdict in verdicts:
        program = find_in_root(image, verdict.path)
        if program not in found or found[program].handoff is None:
            found[program] = verdict
    return found


def _programs_without_rule(
    image: Path, architecture: str, known: set[Path | None]
) -> Iterator[Verdict]:
    """The image's other programs in the directories of a PATH, each once, in order."""
    for directory in DEFAULT_PATH.split(":"):
        for name in list_in_root(image, directory):
            path = f"{directory.lstrip('/')}/{name}"
            program = find_in_root(image, path)
            if program is None or program in known:
                continue
            known.add(program)
            header = read_header(program)
            executable = program.lstat().st_mode & stat.S_IXUSR
            if header and executable and header.architecture == architecture:
                yield Verdict(path, None, Reason.NO_RULE)
