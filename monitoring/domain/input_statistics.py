"""What inputs look like without any model: the statistics of images, or the columns of rows."""

import numpy as np
import numpy.typing as npt

from monitoring.domain.image_statistics import Statistics, image_statistics, statistic_names
from registry.domain.observations import FloatArray, InputArray, InputColumn, Observations


def input_statistics(observations: Observations, looks: FloatArray | None = None) -> Statistics:
    """Values by name, each (n,): of a row, its columns in the row's own units.

    A column of categories gives their codes, 0 for what is missing or was never seen. looks: the
    inputs' `appearance`, where it was taken before; an image's is the same numbers.
    """
    if not observations.columns and looks is not None:
        names = statistic_names(observations.inputs.shape[1])
        return {name: looks[:, i].astype(np.float64) for i, name in enumerate(names)}
    return statistics_of(observations.inputs, observations.columns)


def statistics_of(inputs: InputArray, columns: tuple[InputColumn, ...]) -> Statistics:
    """The same of prepared inputs that no model has seen."""
    if not columns:
        return image_statistics(inputs)
    rows = inputs.astype(np.float64)
    return {c.name: rows[:, i] * c.deviation + c.mean for i, c in enumerate(columns)}


def appearance(observations: Observations) -> FloatArray:
    """The numbers whose distance from those of the training data says how usual an input looks.

    (n, s): an image's statistics; a row's prepared numbers and, for each column of categories,
    whether its value is one that training knew.
    """
    if not observations.columns:
        return np.column_stack(list(image_statistics(observations.inputs).values()))
    columns = [_column(observations.inputs[:, i], c) for i, c in enumerate(observations.columns)]
    return np.column_stack(columns)


def spread(observations: Observations) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each image's pixels; zeros for rows, whose columns differ."""
    n = len(observations)
    if observations.columns:
        return np.zeros(n), np.zeros(n)
    pixels = observations.inputs.reshape(n, -1).astype(np.float32)
    mean = pixels.mean(axis=1)
    pixels -= mean[:, None]
    return mean, np.sqrt(np.einsum("ij,ij->i", pixels, pixels) / pixels.shape[1])


def _column(values: npt.NDArray[np.number], column: InputColumn) -> npt.NDArray[np.float64]:
    return (values > 0).astype(np.float64) if column.is_code else values.astype(np.float64)
