"""When to try again, and how long to wait before."""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

#: Answers that say "not now": too many requests, and trouble on the way to or in the server.
TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})

_random = random.SystemRandom()


class Retry(Struct, frozen=True):
    """Exponential back-off with jitter: `attempts` in all, delays in seconds."""

    attempts: int = 4
    first_delay: float = 0.4
    longest_delay: float = 60.0

    def is_last(self, attempt: int) -> bool:
        """Was attempt number `attempt` (from 1) the last one?"""
        return attempt >= self.attempts

    async def pause(self, attempt: int, headers: Mapping[str, str] | None = None) -> None:
        """Wait after failed attempt number `attempt`, at least as long as Retry-After asks."""
        backoff = self.first_delay * 2 ** (attempt - 1) * _random.uniform(0.5, 1.0)
        asked = retry_after((headers or {}).get("retry-after", ""))
        await asyncio.sleep(min(max(backoff, asked), self.longest_delay))


def retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for, 0 if it says nothing we can read.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
