"""What the registry's use cases ask of the world; adapters implement it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Protocol

from registry.domain.evidence import (
    AuditEvent,
    AuditHead,
    DriftMeasurement,
    EvidenceMark,
    EvidenceRow,
    OutboxMessage,
    ReviewerCheck,
    ReviewerTally,
    Second,
)
from registry.domain.evidence_log import LoggedAnswer
from registry.domain.evidence_table import EvidenceTable
from registry.domain.exposure import Exposure, ExposureTable
from registry.domain.horizon import Horizon
from registry.domain.observations import FeatureBlock, Observations
from registry.domain.readings import Series
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.domain.webhooks import Delivery, Endpoint


class Versions(Protocol):
    """The registered versions."""

    def add(self, version: ModelVersion) -> None:
        """Store a new version; Conflict if its number is taken."""

    def get(self, model: str, version: int) -> ModelVersion:
        """One version; NotFound names those that exist."""

    def list(self, model: str | None = None) -> tuple[ModelVersion, ...]:
        """All versions, or those of one model, by model and number."""

    def numbers(self, model: str | None = None) -> Set[tuple[str, int]]:
        """Every model and number that was ever registered, of one model or of all."""

    def remove(self, model: str, version: int, now: datetime) -> None:
        """Leave a version out of every list from now on; its number stays taken."""


class Rollouts(Protocol):
    """The rollouts, past and present."""

    def add(self, rollout: Rollout) -> None:
        """Store a new rollout; Conflict if the model has an active one."""

    def save(self, rollout: Rollout, expected_generation: int) -> None:
        """Compare-and-set on the generation; Conflict if it moved."""

    def active(self, model: str) -> Rollout | None:
        """The candidate rollout of a model."""

    def all_active(self) -> tuple[Rollout, ...]:
        """Every candidate rollout."""

    def all_watched(self) -> tuple[Rollout, ...]:
        """Every live rollout whose watch is not over."""

    def stages(self, model: str) -> Mapping[int, Stage]:
        """The stage of the last rollout of each version that had one."""

    def generations(self) -> Mapping[str, int]:
        """The generation of every rollout that there ever was, by its id."""

    def latest(self, model: str) -> Rollout | None:
        """The active rollout, else the one that was started last."""

    def live(self, model: str) -> Rollout | None:
        """The rollout in stage live; a model has one at most."""

    def of_version(self, model: str, version: int) -> Rollout | None:
        """The latest rollout of one version."""


class LiveVersions(Protocol):
    """Which version answers for each model."""

    def get(self, model: str) -> tuple[int | None, int | None]:
        """The live version and the one before it."""

    def put(self, model: str, version: int | None, previous: int | None, now: datetime) -> None:
        """Make a version live."""

    def all(self) -> Mapping[str, int | None]:
        """The live version of each model that ever had one."""

    def all_previous(self) -> Mapping[str, int | None]:
        """The version before the live one, of each model that ever had one."""


class RoutingClock(Protocol):
    """A number that grows with every change of a route."""

    def value(self) -> int:
        """The present value."""

    def tick(self) -> None:
        """Grow: replicas will read the routes again."""


class Evidence(Protocol):
    """Answers of candidates and the verdicts on them."""

    def add(self, rows: Sequence[EvidenceRow]) -> None:
        """Append rows in prediction order."""

    def settle(
        self, prediction_id: str, human_label: str | None, reviewer: str, now: datetime
    ) -> None:
        """Turn a person's label into verdicts on every answer to that prediction.

        Rows that have a verdict keep it; one that comes past its due time changes no gate any
        more. A label of None ("none of these") makes every answer
        an error.
        """

    def second(self, prediction_id: str, second: Second, now: datetime) -> None:
        """Whether two people agreed on a prediction; the first word on it stays, none comes late.

        now: when the second of them said so.
        """

    def read(self, rollout_id: str, stage: Stage) -> tuple[EvidenceRow, ...]:
        """All rows of a stage, in prediction order."""

    def table(
        self,
        rollout_id: str,
        stage: Stage,
        segments: Sequence[str] = (),
        *,
        after: int = 0,
        most: int | None = None,
    ) -> EvidenceTable:
        """The rows behind a number as columns, with the values of these attributes."""

    def rows(self, ids: Collection[int], segments: Sequence[str] = ()) -> EvidenceTable:
        """The rows with these numbers as columns."""

    def open(self, rollout_id: str, stage: Stage, due_after: datetime) -> frozenset[int]:
        """The numbers of the rows that wait for a verdict and are not due by then."""

    def horizon(self) -> Horizon:
        """Which rows this look knows to be there; of a transaction that reads only."""

    def reviewers(self, rollout_id: str, stage: Stage) -> Mapping[str, int]:
        """How many of a stage's verdicts each person gave."""

    def mark(self, rollout_id: str, stage: Stage, now: datetime, after: int = 0) -> EvidenceMark:
        """Where the evidence of a stage stands; costs next to nothing.

        after: a row of it that is known, so that none before it has to be looked at.
        """

    def answers_until(self, rollout_id: str, stage: Stage, moment: datetime, most: int) -> int:
        """How many answers of a stage were given up to a moment, counted up to `most`."""


class Checks(Protocol):
    """What is known of the reviewers' own work."""

    def add(self, check: ReviewerCheck) -> None:
        """Append one; the same kind of check of one item and reviewer counts once."""

    def answer(self, check: ReviewerCheck) -> None:
        """What somebody answered to an item that was asked for; the first answer in time stays.

        check.at: when they did. Items from before checks were kept since then are appended.
        """

    def read(self, model: str, since: datetime) -> tuple[ReviewerCheck, ...]:
        """The checks of a model's items that were asked for from a moment on, oldest first."""

    def tally(self, model: str, since: datetime, now: datetime) -> ReviewerTally:
        """The same as numbers: those before the first that is open."""


class EvidenceLogs(Protocol):
    """The rows behind promotions, as they stood at that moment."""

    def portions(
        self, rollout_id: str, stage: Stage, now: datetime
    ) -> Iterator[Sequence[LoggedAnswer]]:
        """All answers of a stage in prediction order, some at a time, each with its standing now.

        One look at the database, however long reading takes.
        """

    def keep(self, digest: str, content: bytes) -> None:
        """Keep what may change later of the evidence with this digest."""

    def kept(self, digest: str) -> bytes | None:
        """What was kept."""


class Exposures(Protocol):
    """Requests whose version was drawn by lot."""

    def add(self, exposure: Exposure) -> None:
        """Append one."""

    def read(self, rollout_id: str, stage: Stage) -> tuple[Exposure, ...]:
        """All of a stage, in the order in which they were written."""

    def after(
        self,
        rollout_id: str,
        stage: Stage,
        cursor: int,
        recent: datetime,
        most: int,
        segments: Sequence[str] = (),
    ) -> ExposureTable:
        """Those that were written after the one of number `cursor`, as columns, `most` of them.

        Only those created since `recent` say when. segments: attributes whose values are wanted.
        """

    def portions(
        self, rollout_id: str, stage: Stage, until: datetime, segments: Sequence[str] = ()
    ) -> Iterator[ExposureTable]:
        """Those that were created up to a moment, as columns, some at a time; in one look.

        If there are none, one table without rows.
        """

    def horizon(self) -> Horizon:
        """Which rows this look knows to be there; of a transaction that reads only."""


class Drift(Protocol):
    """Measurements of drift."""

    def add(self, measurement: DriftMeasurement) -> None:
        """Append one."""

    def recent(self, model: str, version: int, limit: int = 1) -> tuple[DriftMeasurement, ...]:
        """The newest first."""


class Approvals(Protocol):
    """Approvals, each bound to the evidence that it saw."""

    def add(
        self, rollout: Rollout, actor: str, evidence_digest: str, note: str, now: datetime
    ) -> None:
        """Store one; giving the same approval twice changes nothing."""

    def actors(self, rollout: Rollout, evidence_digest: str) -> tuple[str, ...]:
        """Who approved this evidence for leaving the present stage and step."""


class Audit(Protocol):
    """The append-only, hash-chained log."""

    def append(
        self,
        now: datetime,
        actor: str,
        action: str,
        model: str,
        version: int | None = None,
        rollout_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """Chain an event to the last one."""

    def read(
        self,
        model: str | None = None,
        limit: int | None = None,
        *,
        rollout_id: str | None = None,
        action: str | None = None,
        since: int | None = None,
        until: int | None = None,
        cause: str | None = None,
    ) -> tuple[AuditEvent, ...]:
        """Events, oldest first; with a limit, the last ones.

        since, until: the first and the last number that are wanted. cause: what they say of why.
        """

    def head(self) -> AuditHead | None:
        """The number and the hash of the last event, kept apart from the events."""


class Outbox(Protocol):
    """Effects on other systems, committed together with their cause."""

    def add(self, topic: str, payload: Mapping[str, Any], now: datetime) -> None:
        """Ask for an effect on the payload's `model`."""

    def due(self, now: datetime) -> tuple[OutboxMessage, ...]:
        """The oldest effect that waits for each topic and model, if it may be tried now."""

    def waiting(self, first: OutboxMessage, now: datetime, limit: int) -> tuple[OutboxMessage, ...]:
        """This effect and those after it of its topic and model, if they may be tried now."""

    def done(self, messages: Sequence[OutboxMessage], now: datetime) -> None:
        """These effects have happened."""

    def failed(self, message: OutboxMessage, error: str, retry_at: datetime) -> None:
        """Try again later."""

    def mark(self, model: str, topics: Sequence[str]) -> tuple[int, bool]:
        """The number of the last effect of these topics on a model, and whether any waits."""


class Webhooks(Protocol):
    """Endpoints that want to be told, and what is on its way to them."""

    def add(self, endpoint: Endpoint) -> None:
        """Store a new endpoint."""

    def get(self, endpoint_id: str) -> Endpoint:
        """One endpoint; NotFound if there is none."""

    def list(self) -> tuple[Endpoint, ...]:
        """All endpoints, the oldest first."""

    def save(self, endpoint: Endpoint) -> None:
        """Store what has changed."""

    def remove(self, endpoint_id: str) -> None:
        """Forget an endpoint and everything that is on its way to it."""

    def send(self, delivery: Delivery) -> None:
        """Put a new delivery at the end of its endpoint's queue; its id is given here."""

    def first(self, endpoint_id: str, *, lock: bool = False) -> Delivery | None:
        """The oldest delivery that has not arrived; locked until the transaction ends."""

    def deliveries(
        self, endpoint_id: str, since: datetime | None = None, limit: int | None = None
    ) -> tuple[Delivery, ...]:
        """Deliveries made since a moment, oldest first; with a limit, the last ones."""

    def settle(self, delivery: Delivery) -> None:
        """Store how a delivery stands now."""

    def waiting(self) -> Mapping[str, int]:
        """How many deliveries have not arrived, by endpoint."""

    def forget(self, before: datetime) -> None:
        """Delete the deliveries that were made before a moment."""


class Readings(Protocol):
    """How far the evidence of each gate has come."""

    def of(self, rollout_id: str, stage: Stage) -> tuple[Series, ...]:
        """The series of a stage, in the order in which they began."""

    def put(self, rollout_id: str, stage: Stage, series: Series) -> None:
        """Store a series as it is now."""


class UnitOfWork(Protocol):
    """One transaction's view of everything the registry stores; the edge commits it."""

    @property
    def versions(self) -> Versions:
        """The registered versions."""

    @property
    def rollouts(self) -> Rollouts:
        """The rollouts."""

    @property
    def live(self) -> LiveVersions:
        """The live versions."""

    @property
    def routing_clock(self) -> RoutingClock:
        """The routing clock."""

    @property
    def evidence(self) -> Evidence:
        """Verdicts."""

    @property
    def checks(self) -> Checks:
        """Checks of reviewers."""

    @property
    def evidence_logs(self) -> EvidenceLogs:
        """The rows behind promotions."""

    @property
    def exposures(self) -> Exposures:
        """Requests whose version was drawn by lot."""

    @property
    def drift(self) -> Drift:
        """Drift measurements."""

    @property
    def approvals(self) -> Approvals:
        """Approvals."""

    @property
    def audit(self) -> Audit:
        """The audit log."""

    @property
    def outbox(self) -> Outbox:
        """The outbox."""

    @property
    def readings(self) -> Readings:
        """How far gates have come."""

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks."""


class ReferenceFitter(Protocol):
    """Fits what monitoring needs to compare live inputs with the training data."""

    def fit(
        self,
        labels: Sequence[str],
        blocks: Sequence[FeatureBlock],
        training: Iterable[Observations],
        calibration: Iterable[Observations] | None,
    ) -> Mapping[str, bytes]:
        """Files for the bundle by name; both data sets are streamed once, batch by batch."""
