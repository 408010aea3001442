"""What a version's reference data look like: counts that live windows are compared with.

Statistics of images, and the columns of rows, do not depend on the model, so all reference rows
count. Scores and outputs do: on rows that the model was fitted to, it is surer and its features lie
closer than they ever will again. They are therefore counted on held-out rows only (the fused score
on half B, since half A shaped it); a profile made without such rows says `held_out: false`, and its
outputs are shown but not tested.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from monitoring.domain.binning import Bins, FeatureCounts, Values, bins_at_quantiles
from monitoring.domain.image_statistics import Statistics
from monitoring.domain.out_of_domain import OutOfDomain
from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray

FORMAT = 1
FUSED = "out of domain"
LARGEST = "largest probability"
PREDICTED = "predicted class"
MOST_LABELS = 50


class Kind(StrEnum):
    """What a feature is taken from."""

    IMAGE = "image"
    COLUMN = "column"
    SCORE = "score"
    OUTPUT = "output"


OF_INPUTS = frozenset({Kind.IMAGE, Kind.COLUMN})  # no model stands between them and the input


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """The reference of one feature."""

    name: str
    kind: Kind
    bins: Bins
    reference: FeatureCounts


@dataclass(frozen=True, slots=True)
class Profile:
    """The reference of one version.

    predicted: counts of the predicted classes. confusion: rows are true, columns predicted
    classes, on held-out rows with known labels. left_out_power: for each label, how often the
    scorer flags it at 5 % when its class is left out of the scorer's fit.
    """

    labels: tuple[str, ...]
    rows: int
    held_out_rows: int
    features: tuple[FeatureProfile, ...]
    predicted: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...] = ()
    left_out_power: Mapping[str, float] = field(default_factory=dict)

    @property
    def held_out(self) -> bool:
        """Whether scores and outputs were counted on rows that the model had not seen."""
        return self.held_out_rows > 0

    @property
    def tested(self) -> tuple[FeatureProfile, ...]:
        """The features on which live rows can be compared with the reference."""
        return tuple(f for f in self.features if f.kind in OF_INPUTS or self.held_out)


def output_values(labels: Sequence[str], probabilities: FloatArray) -> dict[str, Values]:
    """The largest probability and, of up to 50 labels, each one's: values by feature name."""
    exact = probabilities.astype(np.float64)
    values = {LARGEST: exact.max(axis=1)}
    if len(labels) <= MOST_LABELS:
        values |= {f"probability of {label}": exact[:, c] for c, label in enumerate(labels)}
    return values


def score_values(scored: OutOfDomain) -> dict[str, Values]:
    """The distances and the fused surprise, by feature name."""
    return {
        "feature distance": scored.scores[:, 0],
        "relative distance": scored.scores[:, 1],
        FUSED: scored.fused,
    }


def profile_features(kind: Kind, values: Statistics) -> tuple[FeatureProfile, ...]:
    """The reference of some features of one kind, given their values."""
    return tuple(_feature(kind, name, column) for name, column in values.items())


def _feature(kind: Kind, name: str, values: Values) -> FeatureProfile:
    bins = bins_at_quantiles(values, with_tails=name == FUSED)
    return FeatureProfile(name, kind, bins, bins.count(values))


def to_json(profile: Profile) -> bytes:
    """The file `profile.json`."""
    document = {
        "format": FORMAT,
        "labels": profile.labels,
        "rows": profile.rows,
        "held_out": profile.held_out,
        "held_out_rows": profile.held_out_rows,
        "features": [_to_document(feature) for feature in profile.features],
        "predicted": profile.predicted,
        "confusion": profile.confusion,
        "left_out_power": dict(profile.left_out_power),
    }
    return json.dumps(document, indent=1, allow_nan=False).encode()


def from_json(content: bytes) -> Profile:
    """The profile; Invalid if the file is damaged or of another version."""
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise Invalid(
                f"profile.json has format {document['format']}, this release reads {FORMAT}; "
                "register the version again"
            )
        return Profile(
            labels=tuple(document["labels"]),
            rows=document["rows"],
            held_out_rows=document["held_out_rows"],
            features=tuple(_from_document(f) for f in document["features"]),
            predicted=tuple(document["predicted"]),
            confusion=tuple(tuple(row) for row in document["confusion"]),
            left_out_power=document["left_out_power"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            f"profile.json cannot be read ({error!r}); register the version again"
        ) from error


def _to_document(feature: FeatureProfile) -> dict[str, Any]:
    return {
        "name": feature.name,
        "kind": feature.kind.value,
        "edges": feature.bins.edges,
        "mean": feature.bins.mean,
        "sd": feature.bins.sd,
        "tails": feature.bins.tails,
        "counts": feature.reference.counts,
        "total": feature.reference.total,
    }


def _from_document(document: Mapping[str, Any]) -> FeatureProfile:
    bins = Bins(
        tuple(document["edges"]),
        document["mean"],
        document["sd"],
        tuple((quantile, edge) for quantile, edge in document["tails"]),
    )
    if len(document["counts"]) != len(bins.edges) + 2:
        raise ValueError(f"{document['name']}: counts and edges do not match")
    counts = FeatureCounts(tuple(document["counts"]), document["total"])
    return FeatureProfile(document["name"], Kind(document["kind"]), bins, counts)
