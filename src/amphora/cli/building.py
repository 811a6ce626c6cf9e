"""What `amphora build` does in the worker: build, name, export, push."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from amphora.build.build import build
from amphora.build.request import BuildRequest, BuildResult
from amphora.cli.access import open_store
from amphora.cli.progress import show_build
from amphora.cli.transfer_progress import show_transfer
from amphora.core.reference import Reference
from amphora.core.settings import Settings
from amphora.oci.archive import save_archive
from amphora.registry.client import Registry
from amphora.system.files import write_atomically


async def run_build(
    settings: Settings,
    request: BuildRequest,
    tags: Sequence[Reference],
    *,
    push: bool,
    archives: Sequence[Path],
    progress: str,
) -> BuildResult:
    """Build and put the image everywhere it is wanted; the store has it first."""
    with open_store(settings) as store:
        with show_build(progress) as listener:
            result = await build(
                request,
                store,
                jobs=settings.jobs,
                insecure_registries=settings.insecure_registries,
                listener=listener,
            )
        for tag in tags:
            store.tag(tag, result.image)
        for archive in archives:
            save_archive(store.blobs, [(tag, result.image) for tag in tags], archive)
        for tag in tags if push else ():
            insecure = settings.insecure_registries
            with show_transfer() as transfer:
                async with Registry(tag.domain, insecure_registries=insecure) as registry:
                    await registry.push(store.blobs, result.image, tag, progress=transfer)
        return result


def write_handoff_report(result: BuildResult, path: Path) -> None:
    """One object for each RUN on another CPU: its share, and every program by place."""
    report = [
        {
            "platform": str(step.platform),
            "title": step.title,
            "seconds": round(step.seconds, 3),
            "share": round(step.account.share, 4),
            "handed_off": dict(step.account.handed_off.most_common()),
            "emulated": dict(step.account.emulated.most_common()),
            "emulated_seconds": _rounded(step.account.seconds),
        }
        for step in result.steps
        if step.account is not None
    ]
    write_atomically(path.absolute(), json.dumps(report, indent=2).encode() + b"\n")


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Largest first."""
    most = sorted(seconds.items(), key=lambda item: item[1], reverse=True)
    return {name: round(value, 2) for name, value in most}
