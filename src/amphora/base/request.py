"""What a base image is made of, and what came of it."""

from collections.abc import Sequence

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.core.reference import Reference


class BaseRequest(Struct, frozen=True):
    """`reference` names the image and says what it is: `debian:trixie`.

    `variant` is mmdebstrap's (minbase, apt, essential, …), `mirror` may be empty.
    """

    reference: Reference
    platforms: Sequence[Platform]
    include: Sequence[str] = ()
    variant: str = "minbase"
    mirror: str = ""
    source_date_epoch: int | None = None
    handoff: bool = True
