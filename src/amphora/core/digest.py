"""Content digests: `algorithm:hex`, as the OCI image specification writes them."""

import hashlib
import re
from typing import Self

from msgspec import Struct

from amphora.core.errors import InvalidValueError

#: Length of the hex part for each algorithm we compute and accept.
HEX_LENGTHS = {"sha256": 64, "sha512": 128}

_GRAMMAR = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[.+_-][a-z0-9]+)*):(?P<hex>[a-zA-Z0-9=_-]+)")


class Digest(Struct, frozen=True, order=True):
    """The name of some bytes: equal digests mean equal content.

    Follows https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md#digests
    """

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:…` or `sha512:…`; raises InvalidValueError for anything else."""
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise _invalid(text, "a digest is written as algorithm:hex")
        length = HEX_LENGTHS.get(match["algorithm"])
        if length is None:
            known = " and ".join(HEX_LENGTHS)
            raise _invalid(text, f"only {known} are registered algorithms")
        if not re.fullmatch(rf"[a-f0-9]{{{length}}}", match["hex"]):
            raise _invalid(text, f"{match['algorithm']} needs {length} lower-case hex digits")
        return cls(match["algorithm"], match["hex"])

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The sha256 digest of some bytes."""
        return cls("sha256", hashlib.sha256(content).hexdigest())

    @property
    def short(self) -> str:
        """The first twelve hex digits, as docker prints them; for people, not programs."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def _invalid(text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{text[:100]!r} is not a digest",
        why=why,
        next_command="copy the digest from `amphora image inspect IMAGE`",
    )
