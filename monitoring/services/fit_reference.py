"""Fitting what monitoring needs from a version's training and calibration data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.domain import profile as profiles
from monitoring.domain import scorer_file
from monitoring.domain.image_statistics import Statistics
from monitoring.domain.input_statistics import input_statistics
from monitoring.domain.left_out import left_out_power
from monitoring.domain.out_of_domain import Scorer, fit_scorer, split
from monitoring.domain.profile import FUSED, FeatureProfile, Kind, Profile
from monitoring.domain.reference import PROFILE_FILE, SCORER_FILE
from monitoring.domain.signals import Signals, join, signals_of
from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock, Observations


@dataclass(frozen=True, slots=True)
class MonitoringReferenceFitter:
    """Implements registry.ports.ReferenceFitter; the seed fixes the split of held-out rows."""

    seed: int = 0

    def fit(
        self,
        labels: Sequence[str],
        blocks: Sequence[FeatureBlock],
        training: Iterable[Observations],
        calibration: Iterable[Observations] | None,
    ) -> Mapping[str, bytes]:
        """`profile.json` and, with calibration data, `scorer.npz`.

        Both data sets are streamed once; of each input only its features and statistics are kept.
        """
        seen = _read(blocks, training, "training")
        if calibration is None:
            return {PROFILE_FILE: profiles.to_json(_profile(labels, seen, None, None, self.seed))}
        held_out = _read(blocks, calibration, "calibration")
        scorer = fit_scorer(labels, seen.signals, held_out.signals, self.seed)
        profile = _profile(labels, seen, held_out, scorer, self.seed)
        return {PROFILE_FILE: profiles.to_json(profile), SCORER_FILE: scorer_file.to_bytes(scorer)}


@dataclass(frozen=True, slots=True)
class _Rows:
    signals: Signals
    statistics: Statistics


def _read(blocks: Sequence[FeatureBlock], batches: Iterable[Observations], what: str) -> _Rows:
    signals: list[Signals] = []
    statistics: list[Statistics] = []
    for batch in batches:
        _check(blocks, batch)
        if len(batch):
            signals.append(signals_of(batch, blocks[-1].width))
            statistics.append(input_statistics(batch))
    if not signals:
        raise Invalid(f"the {what} data are empty; give at least one input")
    return _Rows(join(signals), _join_statistics(statistics))


def _check(blocks: Sequence[FeatureBlock], batch: Observations) -> None:
    width = sum(block.width for block in blocks)
    if not blocks or batch.features.shape[1] != width:
        raise Invalid(
            f"the graph gives {batch.features.shape[1]} features, its blocks add up to {width}; "
            "export the model again"
        )


def _join_statistics(parts: Sequence[Statistics]) -> Statistics:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _profile(
    labels: Sequence[str], seen: _Rows, held_out: _Rows | None, scorer: Scorer | None, seed: int
) -> Profile:
    everything = [seen.statistics] + ([held_out.statistics] if held_out else [])
    kind = Kind.COLUMN if seen.signals.of_rows else Kind.IMAGE
    inputs = profiles.profile_features(kind, _join_statistics(everything))
    fresh = held_out.signals if held_out else seen.signals
    outputs = profiles.profile_features(
        Kind.OUTPUT, profiles.output_values(labels, fresh.probabilities)
    )
    scores = _score_features(scorer, fresh, seed) if scorer else ()
    return Profile(
        labels=tuple(labels),
        rows=len(seen.signals),
        held_out_rows=len(fresh) if held_out else 0,
        features=inputs + scores + outputs,
        predicted=tuple(np.bincount(fresh.predicted, minlength=len(labels)).tolist()),
        confusion=_confusion(labels, held_out.signals) if held_out else (),
        left_out_power=left_out_power(labels, seen.signals, fresh, seed) if held_out else {},
    )


def _score_features(scorer: Scorer, held_out: Signals, seed: int) -> tuple[FeatureProfile, ...]:
    """The distances on all held-out rows, the fused score on half B only: half A shaped it."""
    values = profiles.score_values(scorer.score_signals(held_out))
    _, b = split(len(held_out), seed)
    fresh = {name: v[b] if name == FUSED else v for name, v in values.items()}
    return profiles.profile_features(Kind.SCORE, fresh)


def _confusion(labels: Sequence[str], signals: Signals) -> tuple[tuple[int, ...], ...]:
    k = len(labels)
    known = signals.labels >= 0
    pairs = signals.labels[known] * k + signals.predicted[known]
    counts = np.bincount(pairs, minlength=k * k).reshape(k, k)
    return tuple(tuple(row) for row in counts.tolist())
