"""What handoff decides about a program of an image, and its reasons, for people to read."""

from enum import StrEnum

from msgspec import Struct

from amphora.emulation.table import Handoff


class Reason(StrEnum):
    """Why a program stays in QEMU; a detail may follow."""

    NO_RULE = "no rule"
    SET_UID = "set-uid or set-gid"
    NO_PACKAGE = "of no package"
    CHANGED = "changed since it was packed"
    OTHER_VERSION = "other version"
    OTHER_REVISION = "other revision, which --handoff=full takes"
    TO_BE_FETCHED = "package is fetched by a build"
    NOT_NATIVE = "not in the native variant"
    LIBRARY_MISSING = "library missing"
    OLD_LOADER = "loader cannot set argv[0]"
    OTHER_WORD_SIZE = "words of another size"
    OTHER_PORT = "name of the port cannot be replaced"


class Verdict(Struct, frozen=True):
    """One program by its path in the image: its handoff, or else why it has none."""

    path: str
    handoff: Handoff | None
    reason: Reason | None = None
    detail: str = ""


class Refusal(Exception):  # noqa: N818  nothing went wrong
    """Ends the search for a counterpart."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
