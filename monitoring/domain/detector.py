"""Has the stream shifted? A detector that may be looked at after every input.

For each watched signal, with the reference rows and the whole past stream as i < t,

    p_t = (#{i < t: s_i > s_t} + U #{i <= t: s_i = s_t}) / t,    U uniform on [0, 1),

is uniform, and independent of the p before it, while rows are exchangeable (Vovk et al. 2005). A
*fixed* reference would not do: in a long stream its own sampling error looks like drift. Each p is
bet on with a histogram learnt from the p before it, `e_t = q_t(bin of p_t) / width`, and

    M_t = (M_{t-1} + 1) e_t        (e-SR: Shin, Ramdas and Rinaldo 2024, arXiv 2203.03532)

grows at most by 1 an input, on average, until rows shift. The evidence is the average of M over
the signals; an alarm at A has an average run length of A inputs or more. Evidence of replicas adds
up, since their inputs do. The guarantee is exact for the history of each signal by itself; for
the average over signals, which see one another's past, it is confirmed by simulation.

Signals are compared by the bins of the profile, which are ties to each other, so that the whole
past is a few hundred integers. After each alarm the detector starts anew from its reference, so
that a shift that goes on alarms again, and does not become the past that the next inputs are
compared with. A change that comes too slowly does: the window tests, against the fixed reference,
still show it.

When did the shift begin? For each signal and each k, the newest k inputs fall into the bins of the
bets with shares r; k KL(r, width) is the logarithm of their likelihood ratio, and the largest tells
how many inputs most likely came since. That is an estimate, chosen by looking at the data: inputs
since then explain an alarm, and do not decide on one.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from monitoring.domain.image_statistics import BRIGHTNESS
from monitoring.domain.profile import FUSED, LARGEST, PREDICTED, Profile

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

# Few, since each signal costs the others' delay: contamination, corruption, label shift.
WATCHED = (FUSED, BRIGHTNESS, "contrast", "sharpness", "saturation", LARGEST)
# Classes have no order in which one end would be stranger than the other: equal bins.
LONGEST_GROWTH = 500  # inputs; a longer shift is seen by the tests of the newest window
CLASS_EDGES = tuple(np.linspace(0.0, 1.0, 11).tolist())
_AT_ONCE = 32  # inputs; of each two of them it is asked which is higher


@dataclass(frozen=True, slots=True)
class Bets:
    """How p-values are bet on.

    edges: of the histogram, fine at both ends. prior: weight of the uniform histogram, in inputs.
    discount: how much a past p-value counts after each further one. run_length: A.
    """

    edges: tuple[float, ...] = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
    prior: float = 40.0
    discount: float = 0.985
    run_length: float = 10_000.0


USUAL_BETS = Bets()


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal's reference: how many rows fell into each of its places, lowest first."""

    name: str
    reference: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The evidence, and how many of the newest inputs most likely came since it began to grow.

    grown_for: 0 while the evidence is below a hundredth of the run length: of a hundred replicas
    that reach that together, one has more.
    """

    evidence: float
    grown_for: int


class Detector:
    """Evidence that a stream of places has left its reference; one stream each, not shared.

    The past is (signals, places) counts, the histograms (signals, bins) discounted counts.
    """

    def __init__(self, signals: Sequence[Signal], bets: Bets = USUAL_BETS) -> None:
        self.signals = tuple(signals)
        self._bets = bets
        self._reference = _padded([s.reference for s in signals], 0.0).astype(np.int64)
        self._edges = _padded([s.edges[1:-1] for s in signals], np.inf)
        widths = _padded([np.diff(s.edges) for s in signals], np.nan)
        self._widths = np.where(np.isnan(widths), 1.0, widths)  # never bet on
        self._prior = bets.prior * np.where(np.isnan(widths), 0.0, widths)
        self._rows = np.arange(len(self.signals))
        self._alarm: Report | None = None
        self._start()

    @property
    def evidence(self) -> float:
        """The average of M over the signals, since the last alarm; 0 without signals."""
        return float(self._each.mean()) if self.signals else 0.0

    def see(self, places: Places, ties: Floats) -> None:
        """Take in inputs, in order: places (n, signals), ties (n, signals) uniform on [0, 1)."""
        if not self.signals:
            return
        seen = 0
        while seen < len(places):
            some = slice(seen, seen + _AT_ONCE)
            seen += self._see(places[some], ties[some])

    def report(self) -> Report:
        """Where the evidence stands; after an alarm since the last report, where it stood then.

        Of several alarms it is the highest evidence, grown since before the first.
        """
        alarm, self._alarm = self._alarm, None
        return alarm or self._now()

    def _now(self) -> Report:
        worth_explaining = self.evidence >= self._bets.run_length / 100
        return Report(self.evidence, self._grown_for() if worth_explaining else 0)

    def _grown_for(self) -> int:
        newest_first = np.array(self._newest)[::-1, :, None]
        counts = (newest_first == np.arange(self._widths.shape[1])).cumsum(axis=0)
        usual = np.arange(1, len(counts) + 1)[:, None, None] * self._widths
        ratios = (counts * np.log(np.maximum(counts, 1) / usual)).sum(axis=2)
        return int(ratios.max(axis=1).argmax()) + 1

    def _raise(self) -> None:
        first, now = self._alarm, self._now()
        highest = max(first.evidence, now.evidence) if first else now.evidence
        self._alarm = Report(highest, first.grown_for if first else now.grown_for)
        self._start()

    def _start(self) -> None:
        self._past = self._reference.copy()
        self._seen = np.zeros_like(self._prior)
        self._mass = 0.0  # of each row of it
        self._each = np.zeros(len(self.signals))
        self._newest: deque[Places] = deque(maxlen=LONGEST_GROWTH)

    def _see(self, places: Places, ties: Floats) -> int:
        """Take in a few, up to the one that raises an alarm; gives how many those were."""
        chosen = self._chosen(self._p_values(places, ties))
        each = self._bet(chosen)
        alarms = each.mean(axis=1) >= self._bets.run_length
        raises = bool(alarms.any())
        seen = int(alarms.argmax()) + 1 if raises else len(places)
        np.add.at(self._past, (np.broadcast_to(self._rows, places.shape), places), 1)
        self._newest.extend(chosen[:seen])
        self._each = each[seen - 1]
        if self._alarm is not None:
            self._alarm = replace(self._alarm, grown_for=self._alarm.grown_for + seen)
        if raises:
            self._raise()  # which forgets the past, and so what came after
        return seen

    def _p_values(self, places: Places, ties: Floats) -> Floats:
        """Of each among the past and those before it: (n, signals)."""
        of, n = self._rows, len(places)
        reached, until_now = np.cumsum(self._past, axis=1), np.tri(n, dtype=bool)
        now, other = places.T[:, :, None], places.T[:, None, :]  # (signals, n, n) together
        totals = reached[:, -1]
        above = totals - reached[of, places] + ((other > now) & until_now).sum(axis=2).T
        same = self._past[of, places] + ((other == now) & until_now).sum(axis=2).T
        p: Floats = (above + ties * same) / (totals + np.arange(1, n + 1)[:, None])
        return p

    def _chosen(self, p: Floats) -> Places:
        """The bin of the bets that each p-value is in: (n, signals)."""
        chosen: Places = (p[:, :, None] >= self._edges).sum(axis=2)
        return chosen

    def _bet(self, chosen: Places) -> Floats:
        """M after each, as if none of them raised an alarm: (n, signals)."""
        at = self._rows * self._widths.shape[1] + chosen
        prior, widths = self._prior.ravel()[at], self._widths.ravel()[at]
        weights, seen, m = self._prior.sum(axis=1), self._seen.ravel(), self._each
        each = np.empty(chosen.shape)
        for i, place in enumerate(at):
            shares = (prior[i] + seen[place]) / (weights + self._mass)
            each[i] = m = (m + 1.0) * shares / widths[i]
            seen *= self._bets.discount
            seen[place] += 1.0
            self._mass = self._mass * self._bets.discount + 1.0
        return each


def signals_of(profile: Profile, bets: Bets = USUAL_BETS) -> tuple[Signal, ...]:
    """What can be watched of a version: outputs and scores only with held-out rows."""
    features = [f for f in profile.tested if f.name in WATCHED]
    signals = [Signal(f.name, f.reference.counts, bets.edges) for f in features]
    if profile.held_out:
        signals.append(Signal(PREDICTED, profile.predicted, CLASS_EDGES))
    return tuple(signals)


def places_of(
    profile: Profile, signals: Sequence[Signal], values: Mapping[str, Floats], predicted: Places
) -> Places | None:
    """The places of n inputs, (n, signals); None if the inputs lack a signal."""
    bins = {f.name: f.bins for f in profile.features}
    columns = []
    for signal in signals:
        if signal.name == PREDICTED:
            columns.append(predicted)
        elif signal.name in values:
            columns.append(bins[signal.name].places(values[signal.name]))
    return np.column_stack(columns) if len(columns) == len(signals) > 0 else None


def _padded(rows: Sequence[Sequence[float] | Floats], by: float) -> Floats:
    """Rows of different length as one array."""
    longest = max((len(row) for row in rows), default=0)
    array = np.full((len(rows), longest), by)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array
