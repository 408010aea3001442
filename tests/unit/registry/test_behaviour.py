"""How a model must behave whatever its format: alone as in a batch, now as a moment ago."""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from registry.adapters.model_sources import Source, check_behaviour
from registry.domain.errors import Invalid

EXAMPLE = np.zeros((2, 3, 4, 4), np.float32)
_calls = count()


def sums(images: Any) -> Any:
    return images.sum(axis=(2, 3))


def normalised_by_its_batch(images: Any) -> Any:
    scores = sums(images)
    return (scores - scores.mean(axis=0)) / scores.std(axis=0)


def dropping_out(images: Any) -> Any:
    return sums(images) * (1.0 + next(_calls) % 2)


def looking_at_the_brightest_of_all(images: Any) -> Any:
    return sums(images) if images.mean() > 0 else -sums(images)


def broken(images: Any) -> Any:
    return sums(images) * np.nan


def check(scores: Callable[[Any], Any]) -> None:
    check_behaviour(Source(scores, lambda: b""), EXAMPLE)


def test_a_model_that_answers_each_image_for_itself_passes():
    check(sums)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (normalised_by_its_batch, "changes with the other images of its batch.*eval"),
        (looking_at_the_brightest_of_all, "changes with the other images of its batch"),
        (dropping_out, "differently from one call to the next.*eval"),
        (broken, "not numbers; is there a NaN"),
    ],
)
def test_a_model_that_does_not_is_refused_with_the_cure(scores: Callable[[Any], Any], words: str):
    with pytest.raises(Invalid, match=words):
        check(scores)
