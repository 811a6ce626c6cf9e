"""What a builder is: a name, a store that nobody else uses, platforms, and limits."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, field

from amphora.core.errors import UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.core.settings import DEFAULT_BUILDER
from amphora.system.cgroup_limits import Limits


class Builder(Struct, frozen=True):
    """`platforms` are all that it builds for; none means whatever this machine can run.

    `limits` are for the containers of all its builds together, `jobs` is how many steps of one
    build may run at once (0: no limit of its own). `created` is RFC 3339, UTC.
    """

    name: str
    store: Path
    platforms: Sequence[Platform] = ()
    limits: Limits = field(default_factory=Limits)
    jobs: int = 0
    created: str = ""

    @property
    def group_key(self) -> str:
        """What its control group is called, which no other builder's is."""
        digest = hashlib.sha256(os.fsencode(self.store)).hexdigest()
        return f"{self.name}-{digest[:12]}"

    @property
    def group_title(self) -> str:
        """What it gives to whom, for whom it was not enough."""
        memory = size_text(self.limits.memory or 0)
        return f"the builder {self.name} has {memory} for all containers of its builds together"

    @property
    def is_default(self) -> bool:
        """The one that is always there."""
        return self.name == DEFAULT_BUILDER

    def platforms_for(self, wanted: Sequence[Platform]) -> Sequence[Platform]:
        """What to build for; without a wish this machine's platform, or else its first one.

        Raises UnsupportedPlatformError for one that it does not build for.
        """
        strange = [each for each in wanted if self.platforms and each not in self.platforms]
        if strange:
            more = ",".join(map(str, dict.fromkeys([*self.platforms, *strange])))
            raise UnsupportedPlatformError(
                f"the builder {self.name} does not build for {strange[0]}",
                why=f"it was created for {', '.join(map(str, self.platforms))}",
                next_command=f"amphora builder create --platform {more}, or --builder default",
            )
        host = Platform.host()
        home = host if host in self.platforms or not self.platforms else self.platforms[0]
        return wanted or (home,)


def size_text(count: int) -> str:
    """Bytes as limits are given: `512m`, `2g`."""
    for unit, power in (("g", 30), ("m", 20), ("k", 10)):
        if count and count % (1 << power) == 0:
            return f"{count >> power}{unit}"
    return f"{count}"
