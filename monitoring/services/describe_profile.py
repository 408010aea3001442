"""What a version's training and held-out data look like, as the API shows it."""

from typing import Any

from monitoring.domain.profile import FeatureProfile, Profile


def profile_document(profile: Profile) -> dict[str, Any]:
    """Counts per bin; `outside` are [missing, below the first edge, above the last].

    confusion: rows are true, columns predicted classes, on held-out rows; empty without them.
    """
    return {
        "rows": profile.rows,
        "held_out_rows": profile.held_out_rows,
        "labels": list(profile.labels),
        "confusion": [list(row) for row in profile.confusion],
        "left_out_power": dict(profile.left_out_power),
        "features": [_feature(feature) for feature in profile.features],
    }


def _feature(feature: FeatureProfile) -> dict[str, Any]:
    counts = feature.reference.counts
    return {
        "name": feature.name,
        "kind": feature.kind.value,
        "edges": list(feature.bins.edges),
        "counts": list(counts[2:-1]),
        "outside": [counts[0], counts[1], counts[-1]],
        "mean": feature.bins.mean,
        "sd": feature.bins.sd,
    }
