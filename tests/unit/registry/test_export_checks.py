"""What an exported model may differ by."""

import numpy as np
import pytest

from registry.domain.errors import Invalid
from registry.domain.export_checks import agree, close, failures, judgement_document
from registry.domain.export_formats import ExportSettings

WANTED = np.array([[0.0, 1.0], [100.0, -2.0]], np.float32)


def test_numbers_may_differ_by_a_thousandth_and_a_hundred_thousandth():
    allowed = 1e-5 + 1e-3 * np.abs(WANTED)
    assert close("near", [WANTED + 0.9 * allowed], [WANTED]).passed
    assert not close("far", [WANTED + 1.1 * allowed], [WANTED]).passed


@pytest.mark.parametrize(
    "found", [[WANTED[:1]], [], [WANTED, WANTED], [np.full_like(WANTED, np.nan)]]
)
def test_another_shape_or_no_number_is_never_close(found: list[np.ndarray]):
    assert not close("odd", found, [WANTED]).passed


def test_no_rows_are_no_proof():
    assert not close("none", [WANTED[:0]], [WANTED[:0]]).passed
    assert failures(()) == ("nothing was compared",)
    none = np.zeros(0, int)
    assert failures(agree(none, none, none, 0.0, 1.0))


@pytest.mark.parametrize(
    ("after", "passed"),
    [
        ([0, 1, 0, 1], True),
        ([0, 1, 0, 0], False),  # three of four agree, where 0.9 are wanted
    ],
)
def test_classes_must_agree(after: list[int], passed: bool):
    truth = np.array([0, 1, 0, 1])
    judged = agree(truth, np.array(after), truth, at_least=0.9, drop_at_most=1.0)
    assert judged.passed is passed
    assert judgement_document(judged)["passed"] is passed


def test_the_accuracy_may_fall_only_so_far():
    before, truth = np.zeros(100, int), np.zeros(100, int)
    after = np.r_[np.ones(3, int), np.zeros(97, int)]
    assert agree(before, after, truth, 0.9, 0.03).passed
    judged = agree(before, after, truth, 0.9, 0.02)
    assert not judged.passed
    assert "accuracy 100 to 97 of 100 (-3.0%" in judged.sentence


def test_a_limit_is_a_share():
    with pytest.raises(Invalid, match="--accuracy-drop is a share from 0 to 1, not 2"):
        ExportSettings(accuracy_drop=2)
