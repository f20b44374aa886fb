from schemas import errors


def test_exit_codes_are_those_that_the_handbook_promises():
    kinds = (errors.SeedloomError, errors.BadInput, errors.GateBlocked, errors.BudgetReached)
    assert [kind.code for kind in (*kinds, errors.Interrupted)] == [1, 2, 3, 4, 130]


def test_whoever_catches_a_seedloom_error_catches_them_all_but_no_bug():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) >= 3
    assert all(
        issubclass(kind, errors.SeedloomError) and str(kind("one line")) == "one line" for kind in kinds
    )
    assert not issubclass(ValueError, errors.SeedloomError) and not issubclass(
        errors.SeedloomError, ValueError
    )
