"""What calls to a model cost, in whole numbers: sums of them do not depend on their order."""

from typing import NamedTuple

NANO = 1_000_000_000  # nano-dollars in a dollar: a token of the cheapest models costs tens of them


class Spent(NamedTuple):
    """Requests sent, tokens, money."""

    requests: int = 0
    tokens: int = 0
    nano_usd: int = 0

    @property
    def usd(self) -> float:
        """Money in US dollars."""
        return self.nano_usd / NANO

    def plus(self, other: "Spent") -> "Spent":
        """The sum, number by number."""
        return Spent(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Spent") -> "Spent":
        """The difference, number by number."""
        return Spent(*(a - b for a, b in zip(self, other, strict=True)))


class Caps(NamedTuple):
    """The most that may be spent; None: no cap."""

    requests: int | None = None
    tokens: int | None = None
    nano_usd: int | None = None

    def broken_by(self, spent: Spent) -> str | None:
        """The name of the first cap that this would exceed."""
        return next(
            (name for name, cap in self._asdict().items() if cap is not None and getattr(spent, name) > cap),
            None,
        )
