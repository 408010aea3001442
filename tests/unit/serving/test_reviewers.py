"""What answers say of those who gave them."""

import pytest

from serving.domain.reviewers import Work, reviewers, share


def test_everybody_is_compared_with_everybody_who_answered_the_same():
    items = [
        [("ann", "glass"), ("bob", "glass")],
        [("ann", "glass"), ("cleo", "metal")],
        [("bob", "metal"), ("cleo", "metal"), ("ann", "paper")],
    ]
    ann, bob, cleo = reviewers({}, items)
    assert (ann.name, ann.agreed and ann.agreed.n) == ("ann", 4)
    assert ann.agreed is not None
    assert ann.agreed.value == pytest.approx(1 / 4)
    assert bob.agreed is not None
    assert bob.agreed.value == pytest.approx(2 / 3)
    assert cleo.agreed is not None
    assert cleo.agreed.value == pytest.approx(1 / 3)


def test_who_has_done_nothing_checkable_has_no_shares():
    (ann,) = reviewers({"ann": Work(decisions=4, last_hour=2, holds=1, seconds=[3.0, 5.0])}, [])
    assert (ann.decisions, ann.decisions_per_hour, ann.holds, ann.median_seconds) == (4, 2, 1, 4.0)
    assert (ann.overturned, ann.agreed, ann.kappa, ann.gold) == (None, None, None, None)


def test_shares_come_with_their_interval():
    work = Work(settled=20, overturned=1, gold=10, gold_right=9)
    (ann,) = reviewers({"ann": work}, [])
    assert (ann.overturned, ann.gold) == (share(1, 20), share(9, 10))
    assert ann.gold is not None
    assert ann.gold.low < 0.9 < ann.gold.high
