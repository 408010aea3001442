"""What a person declared of a model's input and output, done by numpy."""

import numpy as np

from registry.documents.model_input import Gives, Layout, ModelInput, Order
from registry.domain.errors import Invalid
from registry.domain.observations import ByteArray, FloatArray

END = "before/end"  # the node of a wrapped graph whose output is the model's own input
_ROUNDING = 1e-4


def as_taken(images: ByteArray, declared: ModelInput) -> FloatArray:
    """What a model takes of prepared images (n, channels, height, width), by its declaration."""
    numbers = images.astype(np.float32)
    if declared.order is Order.BGR and numbers.shape[1] == 3:
        numbers = numbers[:, ::-1]
    column = (1, -1, 1, 1)
    numbers = numbers / np.float32(declared.divide_by)
    numbers = numbers - np.asarray(declared.means, np.float32).reshape(column)
    numbers = numbers / np.asarray(declared.deviations, np.float32).reshape(column)
    if declared.layout is Layout.CHANNELS_LAST:
        numbers = numbers.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(numbers)


def probabilities(scores: FloatArray, gives: Gives) -> FloatArray:
    """Probabilities (n, labels) of scores, by the declaration."""
    if gives is Gives.NONE:
        _check_range(scores)
        return scores
    if gives is Gives.SIGMOID:
        return 1 / (1 + np.exp(-scores))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _check_range(scores: FloatArray) -> None:
    low, high = float(scores.min()), float(scores.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise Invalid(
            f"the model gives numbers from {low:.3g} to {high:.3g}, which are no probabilities; say"
            " `activation: softmax` (or sigmoid) in the preprocessing"
        )
