"""What training images say about a declaration."""

import numpy as np
import pytest

from registry.domain.mistakes import mistake, unlike_standard

LABELS = ("red", "green", "blue")
TRUTH = np.arange(60) % 3


def almost(truth: np.ndarray, wrong: int = 6) -> np.ndarray:
    said = truth.copy()
    said[:wrong] = (said[:wrong] + 1) % 3
    return said


def test_a_right_declaration_is_left_alone():
    assert mistake(TRUTH, {"as is": almost(TRUTH), "other": TRUTH % 2}, LABELS) is None


def test_a_declaration_that_answers_far_more_images_is_named():
    found = mistake(TRUTH, {"as is": TRUTH * 0, "`order: BGR`": almost(TRUTH)}, LABELS)
    assert found == (
        "as declared the model is right on 33% of 60 training images, but on 90% of them"
        " otherwise: say `order: BGR` in the preprocessing"
    )


def test_labels_in_another_order_are_named_in_the_right_one():
    said = np.array([2, 0, 1])[almost(TRUTH)]
    found = mistake(TRUTH, {"as is": said}, LABELS)
    assert found is not None
    assert "with the order green, blue, red on 90%" in found


def test_a_model_that_knows_nothing_is_no_mistake_in_more_than_one_case_of_a_hundred():
    rng = np.random.default_rng(2)
    found = [
        mistake(TRUTH, {str(k): rng.integers(0, 3, 60) for k in range(12)}, LABELS)
        for _ in range(300)
    ]
    assert sum(one is not None for one in found) <= 3


def test_few_images_say_nothing():
    assert mistake(TRUTH[:12], {"as is": TRUTH[:12] * 0, "other": TRUTH[:12]}, LABELS) is None


@pytest.mark.parametrize(
    ("means", "deviations"),
    [((0.1, -0.2, 0.0), (1.0, 0.9, 1.2)), ((-1.9, -1.8, -1.6), (0.3, 0.3, 0.3)), ((0.5,), (0.25,))],
)
def test_a_normalisation_that_brings_images_near_the_standard_is_left_alone(
    means: tuple[float, ...], deviations: tuple[float, ...]
):
    assert unlike_standard(means, deviations) is None


@pytest.mark.parametrize(
    ("means", "deviations"),
    [
        ((498.0, 530.0, 470.0), (280.0, 290.0, 300.0)),  # never divided by 255
        ((-2.1, -2.0, -1.8), (0.004, 0.004, 0.004)),  # divided by it twice
        ((0.1, 9.0, 0.2), (1.0, 1.0, 1.0)),
    ],
)
def test_a_normalisation_that_does_not_fit_the_training_images_is_named(
    means: tuple[float, ...], deviations: tuple[float, ...]
):
    said = unlike_standard(means, deviations)
    assert said is not None
    assert "near 0 ± 1: correct `divide_by`, `mean` or `deviation`" in said
    assert f"{means[0]:.3g} ± {deviations[0]:.3g}" in said
