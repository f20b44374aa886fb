"""Commands that keep a warehouse in order."""

from typing import Annotated

from cyclopts import App, Parameter

from flows.console import Common

app = App()
Flat = Parameter(name="*")
Flag = Parameter(negative="")


@app.command(name="withdraw")
def withdraw_run(
    run: str,
    /,
    *,
    yes: Annotated[bool, Flag] = False,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Take a run back: a new version of the warehouse without it; older versions stay readable.

    Says first what depends on it: releases with its samples, samples that were dropped for repeating them.

    Args:
        run: Id of a run, or how it begins.
        yes: Withdraw it; without, nothing is changed.
    """
    from flows.upkeep import show_withdrawal

    show_withdrawal(common, run, yes)


@app.command
def gc(
    *,
    keep: int = 30,
    grace: str = "24h",
    dry_run: Annotated[bool, Flag] = False,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Remove from the disk what no kept version needs: parts, versions, abandoned runs, old index files.

    Args:
        keep: Newest versions that stay readable, at least 1.
        grace: How long everything stays that was in use or was written: 90s, 30m, 24h, 7d.
        dry_run: Only say what would be removed.
    """
    from flows.upkeep import show_garbage

    show_garbage(common, keep, grace, dry_run)


@app.command
def rejudge(
    *,
    threshold: float | None = None,
    run: str = "",
    dry_run: Annotated[bool, Flag] = False,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Judge near-duplicates anew from the stored signatures, at another threshold or after a withdrawal.

    One new version holds the new verdicts; older versions and releases stay as they are.

    Args:
        threshold: Jaccard similarity at or above which two texts are near-duplicates, above 0 and at most 1.
            Default: of each run the one that it was judged at last.
        run: Id of the only run to judge, or how it begins. Default: all, in the order they were committed.
        dry_run: Only say what would change.
    """
    from flows.rejudging import show_rejudging

    show_rejudging(common, threshold, run, dry_run)
