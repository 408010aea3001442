"""The values of single inputs, before they are counted: those of a batch, and the newest few."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from monitoring.domain.binning import Values
from monitoring.domain.reference import Reference
from monitoring.domain.window import Growth, WindowCounts


@dataclass(frozen=True, slots=True)
class Inputs:
    """n inputs: values by feature, each (n,), classes (n,), p-values (n,) or (0,) without any."""

    values: Mapping[str, Values]
    classes: npt.NDArray[np.int64]
    p_values: Values

    def __len__(self) -> int:
        return len(self.classes)

    def newest(self, rows: int) -> "Inputs":
        """The last so many of them."""
        return Inputs(
            {name: column[-rows:] for name, column in self.values.items()},
            self.classes[-rows:],
            self.p_values[-rows:],
        )

    def count(self, reference: Reference) -> WindowCounts:
        """Their counts on the reference's edges."""
        profile = reference.profile
        known = [f for f in profile.features if f.name in self.values]
        return WindowCounts(
            rows=len(self),
            features={f.name: f.bins.count(self.values[f.name]) for f in known},
            predicted=tuple(np.bincount(self.classes, minlength=len(profile.labels)).tolist()),
            scored=len(self.p_values),
            flagged=int((self.p_values <= reference.out_of_domain_level).sum()),
        )


class NewestInputs:
    """The newest inputs of a stream, so that any stretch of them can still be counted.

    Whole batches are kept, as few as hold `most` inputs.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows = 0
        self._batches: deque[tuple[datetime, Inputs]] = deque()

    def add(self, inputs: Inputs, at: datetime) -> None:
        """A batch, newer than all before it; it must not be empty."""
        self._batches.append((at, inputs))
        self._rows += len(inputs)
        while self._rows - len(self._batches[0][1]) >= self._most:
            self._rows -= len(self._batches.popleft()[1])

    def since(self, reference: Reference, rows: int) -> Growth:
        """The counts of the newest so many, at least one; fewer if not that many are kept."""
        chosen: list[tuple[datetime, Inputs]] = []
        left = min(rows, self._most)
        for at, batch in reversed(self._batches):
            chosen.insert(0, (at, batch.newest(left)))
            left -= len(batch)
            if left <= 0:
                break
        return Growth(chosen[0][0], join([batch for _, batch in chosen]).count(reference))


def join(batches: Sequence[Inputs]) -> Inputs:
    """The inputs of some batches, at least one, in order."""
    return Inputs(
        {name: np.concatenate([b.values[name] for b in batches]) for name in batches[0].values},
        np.concatenate([b.classes for b in batches]),
        np.concatenate([b.p_values for b in batches]),
    )
