"""A model and its versions as a page shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import (
    NONE,
    Chip,
    Moment,
    mapping,
    moment,
    number,
    percent,
    sequence,
    stage_chip,
    version,
)
from console.web.views.quality import Bias, QualityRow, bias, quality_rows


@dataclass(frozen=True, slots=True)
class ParityCheck:
    """One comparison of the bundle with the model that it was made from."""

    name: str
    rows: str
    difference: str
    tolerance: str
    verdict: Chip


@dataclass(frozen=True, slots=True)
class Version:
    """One version."""

    name: str
    card: str
    stage: Chip
    live: bool
    digest: str
    short_digest: str
    source_format: str
    environment: tuple[tuple[str, str], ...]
    parity: Chip
    parity_text: str
    parity_checks: tuple[ParityCheck, ...]
    out_of_domain: str
    labels: str
    author: str
    created: Moment | None
    description: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """Everything the page of a model shows; the newest version first."""

    model: str
    live: str
    versions: tuple[Version, ...]
    quality: tuple[QualityRow, ...]
    bias: Bias


_FIRST = ("python", "torch", "fastai")


def model_page(
    document: Mapping[str, Any], now: datetime, quality: Mapping[str, Any] | None = None
) -> ModelPage:
    """The page of a model document, with what people found of its answers."""
    live = document.get("live")
    newest_first = sorted(sequence(document.get("versions")), key=lambda v: -int(v["version"]))
    versions = tuple(version_view(each, now, live=each["version"] == live) for each in newest_first)
    quality = quality or {}
    return ModelPage(
        str(document["name"]), version(live), versions, quality_rows(quality), bias(quality, now)
    )


def version_view(document: Mapping[str, Any], now: datetime, *, live: bool = False) -> Version:
    """One version; live: whether it answers, where its stage does not say so."""
    digest = str(document.get("digest") or "")
    parity = mapping(document.get("parity"))
    parity_chip, parity_text = _parity(parity)
    return Version(
        name=version(document["version"]),
        card=f"/models/{quote(str(document['model']), safe='')}/versions/{document['version']}",
        stage=stage_chip(document.get("stage")),
        live=live,
        digest=digest,
        short_digest=digest.removeprefix("sha256:")[:12],
        source_format=str(document.get("source_format") or NONE),
        environment=_environment(mapping(document.get("environment"))),
        parity=parity_chip,
        parity_text=parity_text,
        parity_checks=tuple(_check(each) for each in sequence(parity.get("checks"))),
        out_of_domain=_calibration(document),
        labels=_labels(document),
        author=str(document.get("author") or NONE),
        created=moment(document.get("created_at"), now),
        description=str(document.get("description") or ""),
        tags=tuple((str(k), str(v)) for k, v in mapping(document.get("tags")).items()),
    )


def _environment(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Python, torch and fastai first, known or not; then whatever else was recorded."""
    rest = sorted(set(values) - set(_FIRST))
    return tuple(
        (name.replace("_", " "), str(values.get(name) or "not recorded"))
        for name in (*_FIRST, *rest)
    )


def _parity(parity: Mapping[str, Any]) -> tuple[Chip, str]:
    if "max_abs_diff" not in parity:
        return Chip("not measured"), ""
    count = len(sequence(parity.get("checks")))
    checks = "1 check" if count == 1 else f"{count} checks"
    chip = Chip("✓ same answers", "good") if parity.get("passed") else Chip("✗ differs", "bad")
    return chip, f"largest difference {number(float(parity['max_abs_diff']))} in {checks}"


def _check(check: Mapping[str, Any]) -> ParityCheck:
    return ParityCheck(
        name=str(check.get("name") or ""),
        rows=number(check.get("rows")),
        difference=number(float(check.get("difference", math.nan))),
        tolerance=number(float(check.get("tolerance", math.nan))),
        verdict=Chip("✓ passed", "good") if check.get("passed") else Chip("✗ failed", "bad"),
    )


def _calibration(document: Mapping[str, Any]) -> str:
    if "out_of_domain" not in document:
        return "not recorded"
    calibration = mapping(document["out_of_domain"])
    if not calibration:
        return "not calibrated: no held-out data was given at registration"
    least = calibration.get("minimum_level")
    level = f"; can flag down to {percent(least)}" if least is not None else ""
    return f"calibrated on {number(calibration.get('calibration_rows'))} held-out inputs{level}"


def _labels(document: Mapping[str, Any]) -> str:
    level = document.get("threshold")
    several = "" if level is None else f"; an answer is every label above {level:g}"
    return ", ".join(str(label) for label in sequence(document.get("labels"))) + several
