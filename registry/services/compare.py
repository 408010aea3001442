"""Comparing two versions of a model by all that is known of them."""

from typing import Any

from registry.domain.difference import Difference, differences
from registry.domain.versions import ModelVersion
from registry.registration import BundleFinder, Bundles

# Two registrations always differ in these, and nothing follows from it.
_OF_THE_MOMENT = frozenset({"created_at", "author", "description", "tags", "jail", "parity"})


def compare(
    first: ModelVersion, second: ModelVersion, finder: BundleFinder, bundles: Bundles
) -> tuple[Difference, ...]:
    """What differs in their manifests, preprocessing and files; Invalid for a changed bundle."""
    return differences(_record(first, finder, bundles), _record(second, finder, bundles))


def _record(version: ModelVersion, finder: BundleFinder, bundles: Bundles) -> dict[str, Any]:
    bundle = bundles.open(finder.fetch(version))
    manifest = {k: v for k, v in bundle.said().items() if k not in _OF_THE_MOMENT}
    preprocessing = bundle.preprocessing().model_dump(mode="json")
    parity = {"largest_difference": (version.parity or {}).get("max_abs_diff")}
    return {**manifest, "preprocessing": preprocessing, "parity": parity}
