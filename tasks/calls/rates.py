"""How fast requests are answered and what they cost so far: one line for a person who watches."""

import time

from tasks.calls.asking import Counts


class Rates:
    """Speaks of what happened since it was made."""

    def __init__(self, counts: Counts, total: int | None) -> None:
        """Counts of the engine; `total` requests are expected, None when nobody knows."""
        self._counts, self._total = counts, total
        self._since = time.monotonic()
        self._before = (counts.answered, counts.tokens, counts.nano_usd)

    def told(self, done: int, fresh: int) -> str:
        """Requests and tokens a second, failures, money so far and projected, time left.

        `done` of all are over; `fresh` of them were asked now, the others the journal knew.
        """
        counts = self._counts
        seconds = max(time.monotonic() - self._since, 1e-3)
        now = (counts.answered, counts.tokens, counts.nano_usd)
        answered, tokens, nano_usd = (a - b for a, b in zip(now, self._before, strict=True))
        parts = [f"{answered / seconds:.1f} req/s", f"{tokens / seconds:.0f} tok/s"]
        parts += [f"{n} {what}" for what, n in (("retried", counts.retried), ("failed", counts.failed)) if n]
        parts.append(self._money(nano_usd / 1e9, answered, done))
        if self._total and fresh:
            parts.append(f"{_clock(seconds * (self._total - done) / fresh)} left")
        return " · ".join(parts)

    def needed(self, left: int) -> str:
        """What `left` more requests will take, at the mean of those that were answered."""
        counts = self._counts
        if not counts.answered:
            return f"{left:,} requests of this stage are left"
        each = left / counts.answered
        usd = f" and {counts.nano_usd / 1e9 * each:.4g} USD" if counts.cost_known else ""
        return f"this stage needs about {left:,} more requests, {counts.tokens * each:,.0f} tokens{usd}"

    def _money(self, usd: float, answered: int, done: int) -> str:
        if not self._counts.cost_known:
            return "cost unknown"
        rest = (self._total - done) / answered if self._total and answered else 0
        return f"{usd:.4g} of ~{usd * (1 + rest):.4g} USD" if self._total and answered else f"{usd:.4g} USD"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
