"""Evidently's report of a stretch of live inputs: `python -m monitoring.adapters.evidently_report`.

Evidently needs pandas, plotly and 300 MB; it runs in a process of its own, which ends with the
report, so that the service stays small.
"""

import html
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.domain.profile import PREDICTED
from monitoring.domain.typical_rows import thinned, typical_values
from registry.adapters.subprocesses import Answer, ask, reply
from registry.domain.errors import Unavailable

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
_SECONDS = 120.0
_MOST_BYTES = 64 << 20
_HOW = (
    "Live inputs are kept as counts, so each value stands for its bin, and each column is rebuilt "
    "by itself. Evidently's verdicts use its own tests and thresholds; alarms and gates go by "
    "stagegate's."
)


class EvidentlyReports:
    """Makes reports, one at a time."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._one = threading.Lock()

    def render(self, drift: Mapping[str, Any]) -> bytes:
        """A self-contained HTML page of a drift document; Unavailable without Evidently.

        Takes some seconds and 300 MB in a process of its own.
        """
        if importlib.util.find_spec("evidently") is None:
            raise Unavailable(
                "this report needs Evidently, which is not installed here: "
                "pip install 'stagegate[report]'"
            )
        if not self._one.acquire(blocking=False):
            raise Unavailable("another report is being made; try again in some seconds")
        try:
            found = ask(__name__, drift, self._scratch, _SECONDS, _MOST_BYTES)
        finally:
            self._one.release()
        return found.blobs["report"]


def answer(drift: Mapping[str, Any]) -> Answer:
    """The page as a blob."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    tested = {test["feature"] for test in drift["tests"]}
    numbers = [feature for feature in drift["features"] if feature["name"] in tested]
    classes = [PREDICTED] if PREDICTED in tested else []
    names = [feature["name"] for feature in numbers]
    definition = DataDefinition(numerical_columns=names, categorical_columns=classes)
    datasets = [
        Dataset.from_pandas(pd.DataFrame(_columns(drift, numbers, classes, side)), definition)
        for side in ("window", "reference")
    ]
    page = Path("report.html").absolute()
    Report([DataDriftPreset()]).run(*datasets).save_html(str(page))
    return Answer({}, {"report": _headed(page.read_text(), drift).encode()})


def _columns(
    drift: Mapping[str, Any],
    numbers: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    side: str,
) -> "dict[str, pd.Series[Any]]":
    """Columns of their own lengths; scores are known for fewer rows than images."""
    import pandas as pd

    columns: dict[str, pd.Series[Any]] = {}
    for feature in numbers:
        missing, below, above = feature[f"{side}_outside"]
        counts = (missing, below, *feature[side], above)
        columns[feature["name"]] = pd.Series(typical_values(feature["edges"], counts, MOST_ROWS))
    for name in classes:
        kept = thinned(drift["predicted"][side], MOST_ROWS)
        columns[name] = pd.Series(np.repeat(drift["labels"], kept))
    return columns


def _headed(page: str, drift: Mapping[str, Any]) -> str:
    """Evidently's page under a line that says what it is about."""
    about = (
        f"{drift['model']}@{drift['version']}: {drift['rows']} live inputs from "
        f"{drift['window_from']} to {drift['window_to']}. {drift['sentence']}. {_HOW}"
    )
    style = "font: 15px/1.5 sans-serif; max-width: 70em; margin: 1em auto; padding: 0 1em"
    head = f'<p style="{style}">{html.escape(about)}</p>'
    start = page.index(">", page.index("<body")) + 1
    return page[:start] + head + page[start:]


if __name__ == "__main__":
    reply(answer)
