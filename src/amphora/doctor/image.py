"""An image: which of its variants run here, and what its index makes others stumble over."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.doctor.check import Check, failed, ok, problem, refused, warning
from amphora.emulation.emulators import PACKAGE
from amphora.emulation.support import Emulation
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import UNKNOWN, children, variants

_REINSTALL = f"sudo apt-get install --reinstall {PACKAGE}"
_ATTESTATION_SOURCE = "https://github.com/docker/buildx/issues/1509"
_PLATFORM_SOURCE = "https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md"


def entries_of(blobs: BlobStore, root: Descriptor) -> Sequence[Descriptor]:
    """The manifests of an image in the store; a single one gets its config's platform."""
    if root.is_index:
        return children(blobs, root)
    platform = next(iter(variants(blobs, root)), None)
    return [replace(root, platform=platform)]


def check_image(name: str, entries: Sequence[Descriptor], emulation: Emulation) -> Iterator[Check]:
    """Each variant is tried by running a program of its platform; `name` is for commands."""
    platforms = [entry.platform for entry in entries if entry.platform is not None]
    real = [platform for platform in platforms if platform != UNKNOWN]
    for platform in dict.fromkeys(real):
        yield _variant(platform, emulation)
    yield from _host(name, real)
    yield from _oddities(entries, real)


def _variant(platform: Platform, emulation: Emulation) -> Check:
    if platform.os != "linux":
        return warning(
            str(platform),
            "it is not for Linux, and not to be run here",
            "choose a variant for Linux with --platform",
        )
    try:
        execution = emulation.prepare([platform])[platform]
    except AmphoraError as error:
        return failed(str(platform), error)
    except OSError as error:
        return refused(str(platform), error, _REINSTALL)
    by = f", by {execution.emulator}" if execution.emulator else ""
    return ok(str(platform), f"runs here, {execution.where}{by}: a program of it ran")


def _host(name: str, real: Sequence[Platform]) -> Iterator[Check]:
    """Is there a variant for this very machine? Docker and Kubernetes ask for no other."""
    host = Platform.host()
    if host.select(real) is not None:
        return
    if not real:
        yield problem(name, "it has no variant that could be run", f"amphora image inspect {name}")
        return
    others = ", ".join(map(str, dict.fromkeys(real)))
    seen = f"it has no variant for {host}, only for {others}: docker and Kubernetes refuse it here"
    yield warning(name, seen, f"amphora run --platform {real[0]} {name}")


def _oddities(entries: Sequence[Descriptor], real: Sequence[Platform]) -> Iterator[Check]:
    unknown = sum(entry.platform == UNKNOWN for entry in entries)
    if unknown:
        seen = f"{unknown} attestations stand in the index as unknown/unknown: no variants"
        command = "docker buildx build --provenance=false --sbom=false --push -t IMAGE ."
        yield warning("unknown/unknown", seen, command, source=_ATTESTATION_SOURCE)
    if any(entry.platform is None for entry in entries):
        seen = "an entry of the index says no platform: nobody can choose it"
        yield problem("platforms", seen, "build and push it again", source=_PLATFORM_SOURCE)
    for platform, count in Counter(real).items():
        if count > 1:
            seen = f"{count} entries of the index are for {platform}: which is taken differs"
            yield warning("platforms", seen, "push it again, all platforms in one command")
