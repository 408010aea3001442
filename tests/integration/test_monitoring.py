"""Windows, alerts and the drift document, on each database."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from synthetic import BLOCKS, LABELS, World, a_world

from console.duties import duties
from console.wiring import Wiring
from monitoring.adapters.alerts import SqlAlerts
from monitoring.adapters.evidently_report import EvidentlyReports
from monitoring.adapters.metrics import Metrics
from monitoring.adapters.reference_files import CachedReferences, load_reference
from monitoring.adapters.windows import SqlWindows
from monitoring.api.drift import duration, router
from monitoring.domain.alert import AlertKind
from monitoring.domain.binning import FeatureCounts
from monitoring.domain.window import Growth, LiveWindow, WindowCounts, merge
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import WindowRecorder
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Invalid, NotFound
from registry.domain.versions import ModelVersion

pytestmark = pytest.mark.integration
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AFTER = NOW + timedelta(days=1)
DRIFT = AlertKind.DRIFT


def a_window(epoch: int, rows: int = 10, replica: str = "a", version: int = 1) -> LiveWindow:
    end = NOW + timedelta(minutes=epoch)
    counts = WindowCounts(
        rows=rows,
        features={"brightness": FeatureCounts((0, 1, rows - 1, 0), -250)},
        predicted=(rows, 0),
        scored=rows,
        flagged=1,
    )
    return LiveWindow("waste", version, replica, epoch, end - timedelta(minutes=1), end, counts)


def test_a_window_is_read_back_as_it_was_stored(database: Database):
    with database.begin() as connection:
        SqlWindows(connection).add(a_window(1))
    with database.read() as connection:
        assert SqlWindows(connection).last("waste", 1, 1, AFTER) == (a_window(1),)


def test_what_was_counted_since_evidence_grew_is_read_back(database: Database):
    grown = replace(a_window(1), growth=Growth(NOW - timedelta(seconds=9), a_window(0, 7).counts))
    with database.begin() as connection:
        SqlWindows(connection).add(grown)
    with database.read() as connection:
        assert SqlWindows(connection).last("waste", 1, 1, AFTER) == (grown,)


def test_a_window_sent_twice_counts_once_and_other_replicas_add_up(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for window in (a_window(1), a_window(1), a_window(1, replica="b"), a_window(2)):
            windows.add(window)
        stored = windows.since("waste", 1, NOW)
    assert merge(stored).rows == 30
    assert merge(stored).features["brightness"].total == -750


def test_where_each_detector_stood_is_read_back_oldest_first(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for epoch, replica in ((2, "a"), (1, "b"), (3, "b")):
            windows.add(replace(a_window(epoch, replica=replica), shift_evidence=epoch / 2))
        readings = windows.readings("waste", 1, NOW + timedelta(minutes=1), AFTER)
    assert [(r.replica, r.value) for r in readings] == [("a", 1.0), ("b", 1.5)]


def test_old_windows_become_hours_and_the_newest_thousand_inputs_stay_single(database: Database):
    later = NOW + timedelta(hours=3)
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for epoch in range(1, 121):
            windows.add(a_window(epoch, rows=10 if epoch < 100 else 100, replica=f"r{epoch % 3}"))
        before = merge(windows.since("waste", 1, NOW))
        assert windows.merge_old(later) == 110
        stored = windows.since("waste", 1, NOW)
        assert [w.rows for w in stored] == [100] * 10 + [40 * 10 + 11 * 100, 59 * 10]
        assert merge(stored) == before
        assert windows.merge_old(later) == 0


def test_a_window_that_comes_late_joins_its_hour(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for epoch, rows in ((1, 10), (200, 1000)):
            windows.add(a_window(epoch, rows=rows))
        later = NOW + timedelta(hours=4)
        assert windows.merge_old(later) == 1
        windows.add(a_window(2, rows=5))
        assert windows.merge_old(later) == 1
        assert [w.rows for w in windows.since("waste", 1, NOW)] == [1000, 15]
        assert windows.readings("waste", 1, NOW + timedelta(hours=3), AFTER)[0].replica == "a"
        assert [w.rows for w in windows.last("waste", 1, 1010, AFTER)] == [1000, 15], (
            "not the newest"
        )


def test_windows_older_than_any_question_go(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        windows.add(a_window(1))
        windows.merge_old(NOW + timedelta(days=29))
        assert windows.last("waste", 1, 1, AFTER)
        windows.merge_old(NOW + timedelta(days=31))
        assert windows.last("waste", 1, 1, AFTER) == ()


def test_the_newest_windows_that_hold_enough_rows_are_found(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for epoch in range(1, 6):
            windows.add(a_window(epoch))
        windows.add(a_window(9, version=2))
        assert [w.epoch for w in windows.last("waste", 1, 25, AFTER)] == [5, 4, 3]
        assert [w.epoch for w in windows.since("waste", 1, NOW + timedelta(minutes=3))] == [5, 4]
        assert windows.last("waste", 7, 25, AFTER) == ()


def test_windows_of_a_clock_that_was_set_back_are_not_the_newest(database: Database):
    with database.begin() as connection:
        windows = SqlWindows(connection)
        for epoch in (500, 501, 502):  # by a clock that was hours ahead
            windows.add(a_window(epoch, rows=500))
        for epoch in (1, 2, 3):
            windows.add(a_window(epoch))
        early = NOW + timedelta(minutes=3)
        assert [w.epoch for w in windows.last("waste", 1, 500, early)] == [3, 2, 1]
        told = windows.readings("waste", 1, NOW, early)
        assert [(r.at - NOW) // timedelta(minutes=1) for r in told] == [1, 2, 3]
        assert windows.merge_old(NOW + timedelta(minutes=30)) == 0, "the newest stay single"


def test_an_alert_is_raised_once_renewed_and_cleared_once(database: Database):
    later = NOW + timedelta(minutes=1)
    with database.begin() as connection:
        alerts = SqlAlerts(connection)
        assert alerts.see("waste", 1, DRIFT, "first", NOW)
        assert not alerts.see("waste", 1, DRIFT, "second", later)
        (alert,) = alerts.recent("waste")
        assert (alert.sentence, alert.raised_at, alert.last_seen_at) == ("second", NOW, later)
        assert alerts.clear("waste", 1, DRIFT, later)
        assert not alerts.clear("waste", 1, DRIFT, later)
        assert alerts.see("waste", 1, DRIFT, "third", later)
        assert [a.cleared_at for a in alerts.recent()] == [None, later]
        assert alerts.recent("bears") == ()


@pytest.fixture(scope="module")
def world() -> World:
    return a_world()


@pytest.fixture(scope="module")
def bundle(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    files = MonitoringReferenceFitter().fit(
        LABELS, BLOCKS, [world.draw(400, rng)], [world.draw(300, rng)]
    )
    path = tmp_path_factory.mktemp("bundle")
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


class Service:
    """The drift routes over one database, with traffic that can be sent through a recorder."""

    def __init__(self, database: Database, bundle: Path, world: World) -> None:
        self.database, self.world = database, world
        self.references = CachedReferences(lambda version: Path(version.bundle_uri))
        self.reference = load_reference(bundle)
        app = FastAPI()
        reports = EvidentlyReports(bundle.parent / "reports")
        app.include_router(router(database, self.references, reports, now=lambda: NOW))
        self.client = TestClient(app)
        version = ModelVersion(
            "waste", 1, "sha256:1", str(bundle), "fastai", LABELS, {}, "ann", NOW
        )
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            unit.versions.add(version)
            unit.live.put("waste", 1, None, NOW)

    def see(self, rows: int, at: datetime, **shift: float) -> None:
        recorder = WindowRecorder(self.reference, "waste", 1, "a", np.random.default_rng(rows))
        seen = self.world.draw(rows, np.random.default_rng(rows), **shift)
        assert self.reference.scorer is not None
        recorder.observe(seen, self.reference.scorer.score(seen), at)
        window = recorder.drain(at)
        assert window is not None
        with self.database.begin() as connection:
            SqlWindows(connection).add(window)

    def check(self) -> None:
        """As the service does it every few seconds."""
        wiring = SimpleNamespace(
            database=self.database, references=self.references, metrics=Metrics()
        )
        (drift,) = (duty for duty in duties(cast(Wiring, wiring)) if duty.name == "drift")
        drift.run(NOW)


@pytest.fixture
def service(database: Database, bundle: Path, world: World) -> Service:
    return Service(database, bundle, world)


def test_a_shift_is_measured_alerted_and_shown(service: Service):
    earlier = NOW - timedelta(minutes=5)
    service.see(150, earlier, darker=40)
    with structlog.testing.capture_logs() as lines:
        service.check()
        service.check()
    document = service.client.get("/v1/drift/waste").json()
    assert (document["model"], document["version"]) == ("waste", 1)
    assert document["alarm"]
    assert 140 <= document["rows"] <= 150, "nearly all inputs came since the evidence grew"
    assert document["sentence"].startswith("domain shift: ")
    assert "brightness moved -" in document["sentence"]
    assert document["episode"]["since"] == earlier.isoformat()
    assert document["history"][0]["alarm"]
    brightness = next(f for f in document["features"] if f["name"] == "brightness")
    assert len(brightness["edges"]) - 1 == len(brightness["reference"]) == len(brightness["window"])
    assert sum(brightness["window"]) + sum(brightness["window_outside"]) == document["rows"]
    with service.database.read() as connection:
        (alert,) = SqlAlerts(connection).recent("waste")
    assert alert.cleared_at is None
    (line,) = (line for line in lines if line["event"] == "alert")
    assert (line["model"], line["kind"], line["sentence"]) == ("waste@1", DRIFT, alert.sentence)
    assert alert.sentence == document["sentence"]
    assert document["notes"][0].endswith("1 false alarm in 10,000 inputs at most, on average.")


def test_the_window_of_the_question_decides_which_rows_are_compared(service: Service):
    service.see(150, NOW - timedelta(hours=3), darker=40)
    service.see(160, NOW - timedelta(minutes=5))
    document = service.client.get("/v1/drift/waste", params={"window": "1h"}).json()
    assert (document["rows"], document["alarm"]) == (160, False)
    assert service.client.get("/v1/drift/waste", params={"window": "1d"}).json()["alarm"]


def test_a_window_longer_than_anything_is_kept_is_refused(service: Service):
    with pytest.raises(Invalid, match="at most 30d, since older inputs are not kept; it is 900d"):
        service.client.get("/v1/drift/waste", params={"window": "900d"})


def test_too_few_inputs_are_said_to_be_too_few(service: Service):
    document = service.client.get("/v1/drift/waste").json()
    assert (document["rows"], document["alarm"], document["window_from"]) == (0, False, None)
    assert document["sentence"].startswith("0 inputs in this window; at least 100 are needed")


def test_a_shift_is_in_the_report_that_evidently_makes(service: Service):
    service.see(150, NOW - timedelta(minutes=5), darker=40)
    response = service.client.get("/v1/drift/waste/report", params={"window": "1h"})
    assert response.headers["content-disposition"] == 'attachment; filename="drift-1.html"'
    page = response.text
    assert "waste@1: 150 live inputs" in page
    assert "brightness" in page
    assert "predicted class" in page
    assert "Dataset Drift" in page
    assert not re.search(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?https?:""", page)


def test_nothing_is_reported_of_too_few_inputs(service: Service):
    with pytest.raises(NotFound, match="nothing to report: 0 inputs in this window"):
        service.client.get("/v1/drift/waste/report")


def test_a_model_without_a_live_version_is_not_found(service: Service):
    with pytest.raises(NotFound, match="no version of 'bears' is live"):
        service.client.get("/v1/drift/bears")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800)]
)
def test_durations_are_read(text: str, seconds: int):
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "1w", "9999999h"])
def test_other_durations_are_refused(text: str):
    with pytest.raises(Invalid, match="such as 1h"):
        duration(text)


def test_a_bundle_without_a_profile_says_how_to_get_one(tmp_path: Path):
    with pytest.raises(NotFound, match="--training-data"):
        load_reference(tmp_path)


def test_a_bundle_without_calibration_data_has_no_scorer(bundle: Path, tmp_path: Path):
    (tmp_path / "profile.json").write_bytes((bundle / "profile.json").read_bytes())
    assert load_reference(tmp_path).scorer is None
