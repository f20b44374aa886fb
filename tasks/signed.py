"""Stored signatures of the samples to judge, part after part: what `exact` and `minhash` read for texts."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from schemas.errors import SeedloomError
from schemas.partition import Partition
from tasks.ahead import ahead
from tasks.precedence import Roster
from warehouse.run import Run


def signed(
    run: Run, roster: Roster, signatures: list[Partition], columns: list[str], contract: str = ""
) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
    """Columns of the signatures of judged samples, with their ranks; under one contract, or under any.

    Raises:
        SeedloomError: at the end, when a judged sample had none.
    """

    def judged(part: Partition) -> tuple[pl.DataFrame, np.ndarray]:
        frame = run.read(part, ["sample_id", "contract", *columns])
        ranks = roster.find(frame["sample_id"])
        wanted = ranks >= 0
        if contract:
            wanted &= (frame["contract"] == contract).to_numpy()
        return (frame, ranks) if wanted.all() else (frame.filter(pl.Series(wanted)), ranks[wanted])

    seen = np.zeros(len(roster.place), bool)
    for frame, ranks in ahead(judged, signatures):
        seen[ranks] = True
        if len(ranks):
            yield frame, ranks
    if not seen.all():
        missing = np.flatnonzero(~seen)
        one, under = roster.names(run, missing[:1])[0], f" under {contract}" if contract else ""
        raise SeedloomError(f"{len(missing)} samples, for one {one}, have no signature{under}")
