"""What a person declared of a model's output."""

import numpy as np
import pytest

from registry.adapters.declared_input import probabilities
from registry.documents.model_input import Gives
from registry.domain.errors import Invalid


def test_scores_that_are_no_probabilities_are_not_taken_for_them():
    with pytest.raises(Invalid, match="from -3 to 2, which are no probabilities"):
        probabilities(np.array([[-3, 2]], np.float32), Gives.NONE)


def test_probabilities_are_left_as_they_are():
    given = np.array([[0.25, 0.75], [0, 1]], np.float32)
    assert np.array_equal(probabilities(given, Gives.NONE), given)
