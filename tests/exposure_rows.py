"""Exposures as the columns that running counts are kept from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure, ExposureTable
from registry.domain.stages import Stage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def an_exposure(unit: int = 1, *, candidate: bool = True, **changes: object) -> Exposure:
    arm = Arm.CANDIDATE if candidate else Arm.BASELINE
    exposure = Exposure("r", Stage.GRADUAL, 0, 1, 0.25, arm, unit, "glass", False, 20.0, NOW)
    return replace(exposure, **changes)  # type: ignore[arg-type]


def exposures_of(rows: Sequence[Exposure], first: int = 1) -> ExposureTable:
    return ExposureTable(
        np.arange(first, first + len(rows), dtype=np.int64),
        np.array([row.unit for row in rows], np.int64),
        np.array([row.arm is Arm.CANDIDATE for row in rows], np.bool_),
        np.array([row.share for row in rows], np.float64),
        np.array([row.step for row in rows], np.int32),
        np.array([row.failed for row in rows], np.bool_),
        np.array([row.answer_ms for row in rows], np.float64),
        np.array([row.created_at.timestamp() for row in rows], np.float64),
        np.array([row.epoch for row in rows], np.int32),
        [row.action for row in rows],
    )
