"""What the commands about builders tell of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amphora.build.history import running_builds
from amphora.builders.builder import Builder, size_text
from amphora.builders.directory import Builders
from amphora.core.settings import DEFAULT_BUILDER, Settings


def all_builders(settings: Settings) -> list[Builder]:
    """The default one first, then by name."""
    default = Builder(DEFAULT_BUILDER, Path(settings.store))
    return [default, *Builders(Path(settings.builder_directory)).all()]


def builder_row(builder: Builder, in_use: str) -> Sequence[object]:
    """For a table: name, status, platforms, limits."""
    star = "*" if builder.name == in_use else ""
    return (builder.name + star, _status(builder), _platforms(builder), limits_text(builder))


def builder_lines(builder: Builder, in_use: str) -> list[tuple[str, str]]:
    """Headings, and what there is to say under them."""
    memory, cpus = builder.limits.memory, builder.limits.cpus
    return [
        ("Name", builder.name),
        ("In use", "yes" if builder.name == in_use else "no"),
        ("Status", _status(builder)),
        ("Platforms", _platforms(builder)),
        ("Memory", size_text(memory) if memory else ""),
        ("CPUs", f"{cpus:g}" if cpus else ""),
        ("Jobs", f"{builder.jobs}" if builder.jobs else ""),
        ("Store", str(builder.store)),
        ("Created", builder.created),
    ]


def plain_builder(builder: Builder, in_use: str) -> dict[str, Any]:
    """For --format json; limits are null where there are none, platforms empty for all."""
    running = running_builds(builder.store)
    return {
        "name": builder.name,
        "current": builder.name == in_use,
        "status": "running" if running else "inactive",
        "builds": [record.id for record in running],
        "platforms": list(map(str, builder.platforms)),
        "memory": builder.limits.memory,
        "cpus": builder.limits.cpus,
        "jobs": builder.jobs or None,
        "store": str(builder.store),
        "created": builder.created or None,
    }


def limits_text(builder: Builder) -> str:
    """What it may take, in a few words."""
    limits = builder.limits
    words = [
        f"memory {size_text(limits.memory)}" if limits.memory else "",
        f"CPUs {limits.cpus:g}" if limits.cpus else "",
        f"jobs {builder.jobs}" if builder.jobs else "",
    ]
    return ", ".join(filter(None, words))


def _status(builder: Builder) -> str:
    count = len(running_builds(builder.store))
    return f"running ({count} build{'s' if count != 1 else ''})" if count else "inactive"


def _platforms(builder: Builder) -> str:
    return ", ".join(map(str, builder.platforms)) or "any that this machine runs"
