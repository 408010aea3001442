"""Where a rollout stands and what comes next, as `rollout status` and `rollout get` print it."""

import pytest
from page_documents import a_rollout

from console.cli.rollout_text import overview, standing


@pytest.mark.parametrize(
    ("stage", "word", "says"),
    [
        ("live", "live", "waste@3 is live."),
        ("retained", "live", "waste@3 is live (retained)."),
        ("rolled-back", "rolled back", "waste@3 is rolled back."),
        ("rejected", "rolled back", "waste@3 is rolled back (rejected)."),
        ("manual-review", "held", "waste@3 is held (manual review)."),
        ("gradual", "in progress", "waste@3 is in progress (gradual at 25 %)."),
    ],
)
def test_the_place_is_said_unless_the_word_says_it(stage: str, word: str, says: str):
    assert standing(a_rollout(stage=stage, weight=25.0), word) == says


@pytest.mark.parametrize(
    ("stage", "step", "next_", "says"),
    [
        ("manual-review", 0, "limited-scope", "next: limited scope"),
        ("limited-scope", 0, "gradual", "next: gradual at 5 %"),
        ("gradual", 0, "gradual", "next: gradual at 25 %"),
        ("gradual", 2, "live", "next: live"),
    ],
)
def test_the_next_step_is_named_with_its_weight(stage: str, step: int, next_: str, says: str):
    steps = [{"weight": weight, "bake_seconds": 60.0} for weight in (5.0, 25.0, 100.0)]
    text = overview(a_rollout(stage=stage, step=step, next=next_, steps=steps))
    assert text.splitlines()[-1].strip() == says
