"""Errors that a person can mend: one line that names the value, the place and the known alternatives."""


class SeedloomError(Exception):
    """Something failed that is no bug of ours; `code` is the exit code of the command."""

    code = 1


class BadInput(SeedloomError):
    """Wrong usage or input; nothing was written."""

    code = 2


class GateBlocked(SeedloomError):
    """A release did not pass its gates."""

    code = 3


class BudgetReached(SeedloomError):
    """A cap on money, tokens or requests; everything that was paid for is kept."""

    code = 4


class Interrupted(SeedloomError):
    """Somebody asked the run to stop; everything that came is kept."""

    code = 130
