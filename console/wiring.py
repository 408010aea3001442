"""Which adapter stands behind each port: the one place that knows them all."""

import os
import random
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from console.accounts import Accounts
from console.deliver import Effect
from console.provider import OpenIdProvider
from console.provider_door import ProviderDoor
from console.settings import Settings
from console.workers_folder import workers_folder
from monitoring.adapters.evidently_report import EvidentlyReports
from monitoring.adapters.metrics import Metrics
from monitoring.adapters.reference_files import CachedReferences
from monitoring.adapters.shared_metrics import SharedMetrics
from monitoring.adapters.windows import SqlWindows
from monitoring.domain.window import LiveWindow
from monitoring.services.attainable_level import require_level
from registry.adapters.bundle_store import BundleStore
from registry.adapters.database.engine import Database
from registry.adapters.mlflow_registry import MlflowRegistry
from registry.adapters.private_files import keep_private
from registry.adapters.tokens import new_token, veiled
from registry.domain.versions import ModelVersion
from registry.people_ports import Passwords
from registry.services.delete_version import TOPIC as DELETE
from registry.services.judge import GateMemory
from registry.services.keep_readings import ReadingMemory
from serving.adapters.engine import Batching
from serving.adapters.fleet import LiveFleet
from serving.adapters.identity import new_id
from serving.adapters.input_reader import BundleInputs
from serving.adapters.inputs import SqlInputs, inputs
from serving.adapters.ledger import GroupLedger
from serving.adapters.measurements import PrometheusMeasurements
from serving.adapters.payloads import PayloadStore
from serving.adapters.runner import BundleRunner
from serving.api.parts import Serving
from serving.services.forget import Retention, delete_forgotten
from serving.services.wait import Arrivals


def now() -> datetime:
    """The time, in UTC; everything below takes it as an argument."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Wiring:
    """The parts of one process, each made when it is first asked for.

    worker: its number among the processes behind one port; None if it is the only one.
    """

    settings: Settings
    worker: int | None = None

    @cached_property
    def database(self) -> Database:
        """The one database."""
        return Database(self.settings.database)

    @cached_property
    def mlflow(self) -> MlflowRegistry:
        """The store of artifacts and lineage."""
        return MlflowRegistry(self.settings.tracking_uri, self.settings.artifacts)

    @cached_property
    def bundles(self) -> BundleStore:
        """Bundles of registered versions, as directories."""
        return BundleStore(self.settings.home / "bundles", self.settings.tracking_uri)

    @cached_property
    def references(self) -> CachedReferences:
        """What each version's live inputs are compared with."""
        return CachedReferences(self.bundles.fetch)

    @cached_property
    def inputs(self) -> BundleInputs:
        """Inputs beside the training data of a version."""
        return BundleInputs(self.bundles.fetch, self.references, self.settings.max_image_pixels)

    @cached_property
    def reports(self) -> EvidentlyReports:
        """Drift reports made by Evidently."""
        return EvidentlyReports(self.settings.home / "workshop")

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics of this process."""
        return Metrics()

    @cached_property
    def shared_metrics(self) -> SharedMetrics | None:
        """The same beside those of the other workers."""
        if self.worker is None:
            return None
        return SharedMetrics(self.metrics, workers_folder(self.settings.home), self.worker)

    @cached_property
    def measurements(self) -> PrometheusMeasurements:
        """The same, as serving feeds them."""
        return PrometheusMeasurements(self.metrics)

    @cached_property
    def ledger(self) -> GroupLedger:
        """Durable writes."""
        return GroupLedger(self.database, self.measurements.committed)

    @cached_property
    def leases(self) -> GroupLedger | None:
        """Writes that hand out items, without waiting for the disk.

        A lease that a crash of the database takes back costs its reviewer the item, and nobody an
        answer. On SQLite a second writer would only wait for the first.
        """
        return None if self.database.is_sqlite else GroupLedger(self.database, durable=False)

    @cached_property
    def fleet(self) -> LiveFleet:
        """The loaded versions."""
        batching = Batching(self.settings.batch_max_size, self.settings.batch_max_delay_ms / 1000)
        return LiveFleet(
            self.database,
            self.load,
            self.keep_window,
            self.measurements,
            now,
            batching,
            processes=self.settings.workers,
        )

    @cached_property
    def payloads(self) -> PayloadStore:
        """The inputs of requests."""
        return PayloadStore(self.settings.payloads)

    @cached_property
    def retention(self) -> Retention | None:
        """What deletes them in time, if they are not kept for ever."""
        days = self.settings.payload_days
        return Retention(self.payloads, self.asked_about, days) if days else None

    def forget(self) -> int:
        """Delete the inputs that were to be forgotten and that nobody needs; says how many."""
        look, change = inputs(self.database.read), inputs(self.database.begin)
        return delete_forgotten(self.payloads, look, change)

    def asked_about(self, inputs: Collection[str]) -> Collection[str]:
        """Which of these inputs a person is still to be asked about."""
        with self.database.read() as connection:
            return SqlInputs(connection).waiting(inputs)

    @cached_property
    def serving(self) -> Serving:
        """What the routes of serving need."""
        return Serving(
            database=self.database,
            fleet=self.fleet,
            ledger=self.ledger,
            payloads=self.payloads,
            measurements=self.measurements,
            arrivals=Arrivals(),
            clock=now,
            draw=random.SystemRandom().random,
            new_id=new_id,
            max_upload_bytes=self.settings.max_upload_bytes,
            render_metrics=(self.shared_metrics or self.metrics).render,
            worker=self.worker,
            check=self.why_not_ready,
            lease=timedelta(seconds=self.settings.lease_seconds),
            undo=timedelta(seconds=self.settings.undo_seconds),
            leases=self.leases,
        )

    @cached_property
    def passwords(self) -> Passwords:
        """Hashes of passwords."""
        from registry.adapters.passwords import Argon2Passwords

        return Argon2Passwords()

    @cached_property
    def secret(self) -> bytes:
        """The secret that is set, else the one that this home made for itself."""
        given = self.settings.secret_key.get_secret_value()
        kept = given or keep_private(self.settings.home / "secret.key", new_token())
        return kept.encode()

    @cached_property
    def accounts(self) -> Accounts:
        """The people who may log in."""
        return Accounts(
            self.database, lambda: self.passwords, self.veil, self.settings.lasting, now
        )

    @cached_property
    def provider_door(self) -> ProviderDoor | None:
        """The OpenID provider whose accounts may log in, if one is set."""
        s = self.settings
        if not s.oidc_issuer:
            return None
        secret = s.oidc_client_secret.get_secret_value()
        provider = OpenIdProvider(s.oidc_issuer, s.oidc_client_id, secret, s.oidc_scopes)
        return ProviderDoor(s.oidc_label, provider, s.claim_rules, self.accounts)

    def veil(self, text: str) -> str:
        """A text of few possible values, as it may be stored."""
        return veiled(self.secret, text)

    @cached_property
    def gate_memory(self) -> GateMemory:
        """What the gates said last, for the controller's turns."""
        return GateMemory()

    @cached_property
    def readings(self) -> ReadingMemory:
        """What the charts of gates have of each, so that most turns write nothing."""
        return ReadingMemory()

    @cached_property
    def watch_memory(self) -> GateMemory:
        """The same for live versions under watch: a model may have one of each."""
        return GateMemory()

    @cached_property
    def replica(self) -> str:
        """This process among all that share the database."""
        return f"{socket.gethostname()}-{os.getpid()}"

    @cached_property
    def effects(self) -> Mapping[str, Effect]:
        """What each topic of the outbox does."""
        return {
            "mlflow.alias": self._alias,
            "mlflow.stage": self._stage,
            DELETE: self._delete,
        }

    def load(self, version: ModelVersion) -> BundleRunner:
        """One version, verified and ready to be warmed."""
        return BundleRunner(
            version,
            self.bundles.fetch(version),
            replica=self.replica,
            max_pixels=self.settings.max_image_pixels,
            threads=self.settings.torch_threads,
        )

    def keep_window(self, window: LiveWindow) -> None:
        """Store what a version has counted."""
        with self.database.begin() as connection:
            SqlWindows(connection).add(window)

    def require_level(self, version: ModelVersion, level: float) -> None:
        """Invalid if a version cannot flag inputs at this level."""
        require_level(self.references.get(version), level)

    def why_not_ready(self) -> tuple[str, ...]:
        """What is wrong with the database, if anything."""
        from console.migrate import check_open

        try:
            check_open(self.database)
        except Exception as error:  # noqa: BLE001 - readiness reports, it does not fail
            return (str(error),)
        return ()

    def _alias(self, payload: Mapping[str, Any]) -> None:
        self.mlflow.set_alias(payload["model"], payload["alias"], payload["version"])

    def _delete(self, payload: Mapping[str, Any]) -> None:
        self.mlflow.delete(payload["model"], payload["version"])

    def _stage(self, payload: Mapping[str, Any]) -> None:
        self.mlflow.set_stage(payload["model"], payload["version"], payload["stage"])
