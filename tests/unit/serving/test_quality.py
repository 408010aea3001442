"""What strata of reviewed answers say of all answers."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from waiting import PATIENCE

from serving.api.kept import Kept
from serving.domain.accuracy import Known
from serving.domain.quality import Stratum, accuracy, agreeing

FLAGGED = Stratum("out-of-domain", 1.0, judged=100, errors=40)
DRAWN = Stratum("audit", 0.1, judged=90, errors=9)


def test_flagged_answers_do_not_stand_for_the_others():
    found = accuracy([FLAGGED, DRAWN])
    assert found.naive is not None
    assert found.weighted is not None
    assert found.naive.value == pytest.approx(1 - 49 / 190)
    assert found.weighted.value == pytest.approx(1 - (40 + 90) / (100 + 900))
    assert found.weighted.low < found.weighted.value < found.weighted.high
    assert "if reviewers make no mistakes" in found.sentence


def test_a_backlog_of_audit_items_does_not_move_the_estimate():
    """Half of the random sample is worked off: those judged stand for those that wait."""
    half = Stratum("audit", 0.1, judged=45, errors=5, waiting=45)
    whole = Stratum("audit", 0.1, judged=90, errors=10)
    one, other = accuracy([FLAGGED, half]), accuracy([FLAGGED, whole])
    assert one.weighted is not None
    assert other.weighted is not None
    assert one.weighted.value == pytest.approx(other.weighted.value)
    assert one.weighted.high - one.weighted.low > other.weighted.high - other.weighted.low


def test_what_nobody_would_judge_bounds_the_rate_from_both_sides():
    found = accuracy([Stratum("audit", 0.5, judged=80, errors=8, lost=20)])
    assert (found.worst, found.best) == (pytest.approx(0.72), pytest.approx(0.92))
    assert found.lost == 20


def test_a_stratum_that_nobody_has_begun_is_not_taken_for_the_others():
    found = accuracy([FLAGGED, Stratum("audit", 0.1, judged=0, errors=0, waiting=10)])
    assert (found.worst, found.best) == (pytest.approx(0.3), pytest.approx(0.8))
    assert found.sentence.startswith("only answers with a flag were reviewed")


def test_nothing_reviewed_says_nothing():
    found = accuracy([])
    assert (found.weighted, found.best, found.judged) == (None, None, 0)
    assert found.sentence == "no answer of this version has been reviewed yet"


def test_gold_items_take_the_reviewers_own_mistakes_out():
    """One in ten verdicts is wrong either way: an error rate of 5 % looks like 14 %."""
    known = Known(wrong=1000, caught=900, right=1000, cleared=900)
    found = accuracy([Stratum("audit", 1.0, judged=1000, errors=140)], known)
    assert found.corrected is not None
    assert found.corrected.value == pytest.approx(0.95)
    assert "taken out by gold items" in found.sentence


def test_a_share_of_the_backlog_never_breaks_the_coverage():
    """Months in which a random half of the sample is judged, and flags are all judged."""
    rng, covered = np.random.default_rng(3), 0
    for _ in range(300):
        flagged = rng.random(5000) < 0.1
        wrong = rng.random(5000) < np.where(flagged, 0.4, 0.04)
        drawn = ~flagged & (rng.random(5000) < 0.15)
        judged = drawn & (rng.random(5000) < 0.5)
        strata = [
            Stratum("out-of-domain", 1.0, int(flagged.sum()), int(wrong[flagged].sum())),
            Stratum("audit", 0.15, int(judged.sum()), int(wrong[judged].sum()),
                    waiting=int((drawn & ~judged).sum())),
        ]  # fmt: skip
        found = accuracy(strata).weighted
        assert found is not None
        covered += found.low <= 1 - wrong.mean() <= found.high
    assert covered >= 0.93 * 300


def test_agreement_counts_the_first_two_of_each_item():
    found = agreeing([("a", "a"), ("a", "b"), ("b", "b"), ("c",)])
    assert (found.items, found.same) == (3, 2)
    assert found.kappa is not None
    assert found.alpha is not None


def test_what_takes_long_to_make_is_kept_and_what_does_not_is_made_anew():
    clock, made = [0.0], []
    kept = Kept(lambda: clock[0])

    def make(seconds: float) -> dict[str, int]:
        clock[0] += seconds
        made.append(seconds)
        return {"made": len(made)}

    assert [kept.get("a", lambda: make(0.1))["made"] for _ in range(2)] == [1, 2]
    assert [kept.get("a", lambda: make(2.0))["made"] for _ in range(2)] == [3, 3]
    clock[0] += 41
    assert kept.get("a", lambda: make(2.0)) == {"made": 4}


def test_a_document_that_takes_long_does_not_hold_up_another_one():
    kept, begun, gate = Kept(), Event(), Event()

    def slow() -> dict[str, str]:
        begun.set()
        assert gate.wait(PATIENCE)
        return {"made": "slow"}

    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(kept.get, "a", slow)
        assert begun.wait(PATIENCE)
        try:
            other = callers.submit(kept.get, "b", lambda: {"made": "quick"})
            assert other.result(PATIENCE / 4) == {"made": "quick"}
            assert not first.done()
        finally:
            gate.set()
        assert first.result(PATIENCE) == {"made": "slow"}
