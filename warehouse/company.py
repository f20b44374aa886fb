"""Whether another process has used this journal since we opened it: only then may it have our answers."""

from pathlib import Path

from warehouse.tally import Tally
from warehouse.turnstile import Turnstile


class Company:
    """Counts who comes. One that was there before us counts as having come."""

    def __init__(self, folder: Path, claims: Turnstile) -> None:
        """Come in; `claims` tells whether others are there."""
        self._visits = Tally(folder / "visits", ("visits",))
        claims.wait(True)  # from now on the others see us
        with self._visits.held() as numbers:
            numbers["visits"] += 1
            self._ours = numbers["visits"]
        self._met = claims.others_wait()

    def came(self) -> bool:
        """Whether there was anybody but us; costs a microsecond."""
        self._met = self._met or self._visits.look("visits") != self._ours
        return self._met

    def close(self) -> None:
        """Let go of the file."""
        self._visits.close()
