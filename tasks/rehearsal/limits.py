"""Whom the rehearsal server refuses by rule: a wrong or expired key, no credit, too many in one second."""

import hmac
import math
import time
from collections.abc import Callable

from schemas.rehearsal import Plan
from tasks.rehearsal.faults import no_credit, too_many, wrong_key


class Limits:
    """Counts completions against the limits of a plan."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the plan; the first window begins now."""
        self._plan, self._clock = plan, clock
        self._key = None if plan.key is None else plan.key.get_secret_value().encode()
        self._began = clock()
        self._window = self._n_in_window = self._n_asked = self._n_answered = 0

    def check_key(self, authorization: str | None) -> None:
        """Whether the header carries the key, and it has not expired.

        Raises:
            Refused: 401.
        """
        if self._plan.expires_after is not None and self._n_asked >= self._plan.expires_after:
            raise wrong_key()
        given = (authorization or "").removeprefix("Bearer ").encode("utf-8", "surrogateescape")
        if self._key is not None and not hmac.compare_digest(given, self._key):
            raise wrong_key()

    def admit(self) -> None:
        """Count a completion that was asked for.

        Raises:
            Refused: 429, with the time until the next second of the clock begins.
        """
        self._n_asked += 1
        limit = self._plan.requests_per_second
        if limit is not None:
            self._turn_window()
            self._n_in_window += 1
            if self._n_in_window > limit:
                raise too_many(self._until_next())

    def charge(self) -> None:
        """Pay for an answer, spoilt or not, before it is made.

        Raises:
            Refused: 429 insufficient_quota, when no credit is left.
        """
        if self._plan.credit is not None and self._n_answered >= self._plan.credit:
            raise no_credit()
        self._n_answered += 1

    def headers(self) -> dict[str, str]:
        """What is left of this second, as the OpenAI API tells it; nothing without a limit."""
        limit = self._plan.requests_per_second
        if limit is None:
            return {}
        self._turn_window()
        return {
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(max(0, limit - self._n_in_window)),
            "x-ratelimit-reset-requests": f"{math.ceil(self._until_next() * 1000)}ms",
        }

    def _turn_window(self) -> None:
        window = int(self._clock() - self._began)
        if window != self._window:
            self._window, self._n_in_window = window, 0

    def _until_next(self) -> float:
        return max(self._began + self._window + 1 - self._clock(), 0.001)
