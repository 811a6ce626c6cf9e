"""How often a request is made again, and after how long."""

import asyncio
import random
from collections.abc import Mapping

import httpx2
from msgspec import Struct

#: Answers that say "not now".
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_random = random.SystemRandom()


class Patience(Struct, frozen=True):
    """`attempts` in all; pauses, in seconds, double, and are as long as Retry-After asks."""

    attempts: int = 5
    first_pause: float = 0.5
    longest_pause: float = 60.0

    def is_over(self, attempt: int) -> bool:
        """Was that attempt, from 1, the last?"""
        return attempt >= self.attempts

    def asks_again(self, response: httpx2.Response, attempt: int) -> bool:
        return response.status_code in _TRANSIENT and not self.is_over(attempt)

    async def pause(self, attempt: int, headers: Mapping[str, str] | None = None) -> None:
        """https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 (its seconds, not its dates)"""
        own = self.first_pause * 2 ** (attempt - 1) * _random.uniform(0.5, 1.0)
        asked = (headers or {}).get("retry-after", "")
        least = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        await asyncio.sleep(min(max(own, least), self.longest_pause))
