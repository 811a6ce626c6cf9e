"""Where --cache-to and --cache-from keep what steps made."""

from dataclasses import dataclass, replace
from pathlib import Path

from amphora.core.reference import Reference

#: What a directory's entries are called, before the key.
_LOCAL = Reference.parse("step")

#: With a key and a dash a tag may have 128 characters.
_LONGEST_TAG = 63


@dataclass(frozen=True, slots=True)
class CachePlace:
    """A directory (`path`), or a repository whose tags begin with that of `reference`.

    `everything` (mode=max): steps of all stages, not only those whose layers the image has.
    """

    path: Path | None = None
    reference: Reference | None = None
    everything: bool = False

    def tagged(self, key: str) -> Reference:
        """What the artifact of a step is called."""
        if self.reference is None:
            return replace(_LOCAL, tag=key)
        return replace(
            self.reference, tag=f"{(self.reference.tag or '')[:_LONGEST_TAG]}-{key}", digest=None
        )

    def __str__(self) -> str:
        return str(self.path or self.reference)
