"""What the converting process may say."""

from typing import Any

import pytest

from registry.adapters.conversion import _Conversion, _read
from registry.domain.errors import Invalid

JAIL = {"limits": True, "filter": True, "files": True, "sentence": "locked"}
SAID: dict[str, Any] = {
    "labels": ["glass", "paper"], "activation": "softmax", "threshold": None,
    "python": "3.11", "jail": JAIL,
    "preprocessing": {"mode": "RGB", "steps": [{"width": 4, "height": 4}]},
    "feature_blocks": [{"name": "penultimate", "width": 3}],
    "batches": {"1": 0.0, "2": 0.0, "5": 1e-7},
    "globals": {"unknown": [], "unusual_calls": [], "known": {}},
}  # fmt: skip


def test_an_honest_answer_is_read():
    assert _read(_Conversion, SAID).batches == {"1": 0.0, "2": 0.0, "5": 1e-7}


@pytest.mark.parametrize(
    "changes",
    [
        {"batches": {}},
        {"batches": {"1": 0.0, "2": 0.0}},
        {"batches": {"1": 0.0, "2": 0.0, "x": 0.0}},
        {"globals": {"unknown": ["os.system"], "unusual_calls": [], "known": {}}},
        {"labels": ["only"]},
        {"jail": {"limits": True, "filter": True, "sentence": "locked"}},
        {"more": 1},
    ],
)
def test_an_answer_out_of_turn_is_refused(changes: dict[str, Any]):
    with pytest.raises(Invalid, match="out of turn"):
        _read(_Conversion, {**SAID, **changes})
