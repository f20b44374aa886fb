"""How `corpus` and `curate` end: a blocked gate is a failure; a passed release starts the model once."""

from pathlib import Path

from schemas.errors import GateBlocked
from tasks.choice import losses, release_of_run
from tasks.handoff import start_model
from tasks.report import report


def hand_off(root: Path, run_id: str) -> str:
    """Write the report of the run's release, start the model deployment, return the id of the release.

    Raises:
        GateBlocked: when a gate that blocks was not passed; the release is kept and can be looked at.
    """
    release = release_of_run(root, run_id)
    report(root, release.release_id)
    if not release.passed:
        failed = [
            f"{g.name}: {g.value} ({g.rule} {g.threshold})"
            for g in release.gates
            if g.blocks and not g.passed
        ]
        why = f"release {release.release_id} is blocked by {'; '.join(failed)}"
        raise GateBlocked(" — ".join(filter(None, (why, losses(root, run_id)))))
    start_model(release.release_id)
    return release.release_id
