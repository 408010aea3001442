"""An answer of several labels as one text, there and back."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.documents.model_input import ModelInput
from registry.domain.errors import Invalid
from registry.domain.export_checks import agree
from registry.domain.several import (
    NONE_APPLIES,
    apart,
    check_several,
    chosen,
    named,
    places,
    surest,
    together,
)

LABELS = ("bear", "cub", "tree")
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_every_set_of_labels_has_a_text_of_its_own_and_comes_back():
    sets = [some for n in range(4) for some in combinations(LABELS, n)]
    assert [apart(together(some)) for some in sets] == sets
    assert len({together(some) for some in sets}) == len(sets)


def test_an_answer_is_told_in_the_models_order_however_it_was_given():
    assert chosen("tree;bear", LABELS) == (0, 2)
    assert chosen(None, LABELS) == chosen(NONE_APPLIES, LABELS) == chosen("", LABELS) == ()
    with pytest.raises(Invalid, match=r"no label 'wolf'; give any of bear, cub, tree"):
        chosen("bear;wolf", LABELS)


def test_a_label_applies_above_the_threshold_and_not_at_it():
    assert named(LABELS, (0.5, 0.51, 0.9), 0.5) == "cub;tree"
    assert named(LABELS, (0.1, 0.2, 0.3), 0.5) == NONE_APPLIES
    assert named(LABELS, (0.3, 0.3, 0.1), None) == "bear"


@given(SHARES, st.floats(0.01, 0.99))
def test_an_answer_is_as_sure_as_its_least_sure_label(shares: list[float], threshold: float):
    applying = places(shares, threshold)
    said = [p if i in applying else 1 - p for i, p in enumerate(shares)]
    assert surest(shares, threshold) == min(said)
    if threshold == 0.5:
        assert surest(shares, threshold) >= 0.5


@pytest.mark.parametrize("label", ["bear;cub", "", NONE_APPLIES, "b" * 257])
def test_labels_whose_sets_could_not_be_told_apart_are_refused(label: str):
    with pytest.raises(Invalid, match="label"):
        check_several(("tree", label))
    check_several(LABELS)


def test_a_threshold_and_softmax_contradict_each_other():
    steps = [{"op": "resize", "width": 8, "height": 8}]
    with pytest.raises(ValueError, match="activation: sigmoid"):
        ModelInput.model_validate({"steps": steps, "threshold": 0.5})
    said = {"steps": steps, "threshold": 0.4, "activation": "sigmoid"}
    assert ModelInput.model_validate(said).threshold == 0.4


def test_an_export_is_judged_by_its_answers_alone_where_nobody_knows_the_truth():
    unknown = np.full(4, -1)
    before = np.array([1, 2, 3, 1 << 70], dtype=object)
    judged = agree(before, np.array([1, 2, 3, 0], dtype=object), unknown, 0.75, 0.02)
    assert judged.passed
    assert "accuracy" not in judged.sentence
    assert not agree(before, before[::-1], unknown, 0.75, 0.02).passed
