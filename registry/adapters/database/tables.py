"""The tables of versions, rollouts, evidence, approvals, audit and outbox."""

import sqlalchemy as sa
from sqlalchemy import Column as C  # noqa: N817 - a table reads best when its columns are short

from registry.adapters.database.schema import SERIAL, UtcDateTime, table

model_version = table(
    "model_version",
    C("model", sa.String(128), primary_key=True),
    C("version", sa.Integer, primary_key=True, autoincrement=False),
    C("digest", sa.String(80), nullable=False),
    C("bundle_uri", sa.Text, nullable=False),
    C("run_id", sa.String(64), nullable=False),
    C("source_format", sa.String(32), nullable=False),
    C("labels", sa.JSON, nullable=False),
    C("environment", sa.JSON, nullable=False),
    C("parity", sa.JSON, nullable=False),
    C("threshold", sa.Float, nullable=True),  # of answers of several labels
    C("tags", sa.JSON, nullable=False),
    C("description", sa.Text, nullable=False),
    C("author", sa.String(128), nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("deleted_at", UtcDateTime, nullable=True),
)

# Which version answers for a model when no rollout says otherwise.
live_version = table(
    "live_version",
    C("model", sa.String(128), primary_key=True),
    C("version", sa.Integer, nullable=True),
    C("previous", sa.Integer, nullable=True),
    C("changed_at", UtcDateTime, nullable=False),
)

rollout = table(
    "rollout",
    C("id", sa.String(36), primary_key=True),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("version_digest", sa.String(80), nullable=False),
    C("baseline", sa.Integer, nullable=True),
    C("plan", sa.JSON, nullable=False),
    C("plan_digest", sa.String(80), nullable=False),
    C("salt", sa.String(64), nullable=False),
    C("stage", sa.String(24), nullable=False),
    C("step", sa.Integer, nullable=False),
    C("generation", sa.Integer, nullable=False),
    C("paused_by", sa.String(128), nullable=True),
    C("paused_reason", sa.Text, nullable=True),
    C("started_by", sa.String(128), nullable=False),
    C("started_at", UtcDateTime, nullable=False),
    C("stage_since", UtcDateTime, nullable=False),
    C("step_since", UtcDateTime, nullable=False),
    C("ended_at", UtcDateTime, nullable=True),
    C("watched_until", UtcDateTime, nullable=True),
    # since which generation the baseline is the present one, 0 for always
    C("baseline_generation", sa.Integer, nullable=False, server_default="0"),
    # At most one candidate rollout for a model: its name while active, else null.
    C("active_model", sa.String(128), nullable=True, unique=True),
    # 1 for a model's first; no clock tells which of two rollouts is the newer one
    C("number", sa.Integer, nullable=False, server_default="0"),
    sa.Index(None, "model", "number", unique=True),
)

# One row whose value grows with every change of a route; replicas poll it.
routing_clock = table(
    "routing_clock",
    C("id", sa.Integer, primary_key=True, autoincrement=False),
    C("value", sa.BigInteger, nullable=False),
)

approval = table(
    "approval",
    C("id", SERIAL, primary_key=True),
    C("rollout_id", sa.String(36), nullable=False),
    C("stage", sa.String(24), nullable=False),
    C("step", sa.Integer, nullable=False),
    C("actor", sa.String(128), nullable=False),
    C("evidence_digest", sa.String(80), nullable=False),
    C("note", sa.Text, nullable=False),
    C("at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("rollout_id", "stage", "step", "actor", "evidence_digest"),
)

audit_event = table(
    "audit_event",
    C("sequence", SERIAL, primary_key=True, autoincrement=False),
    C("at", UtcDateTime, nullable=False),
    C("actor", sa.String(128), nullable=False),
    C("action", sa.String(64), nullable=False),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=True),
    C("rollout_id", sa.String(36), nullable=True),
    C("detail", sa.JSON, nullable=False),
    C("previous_hash", sa.String(80), nullable=False),
    C("hash", sa.String(80), nullable=False, unique=True),
    sa.Index(None, "model", "sequence"),
)

# One row: the last event. Without it a log whose end was cut off would look whole.
audit_head = table(
    "audit_head",
    C("id", sa.Integer, primary_key=True, autoincrement=False),
    C("sequence", sa.BigInteger, nullable=False),
    C("hash", sa.String(80), nullable=False),
)

# Effects on other systems, written in the transaction that causes them.
outbox = table(
    "outbox",
    C("id", SERIAL, primary_key=True),
    C("topic", sa.String(64), nullable=False),
    C("model", sa.String(128), nullable=False),  # effects of one topic and model keep their order
    C("payload", sa.JSON, nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("available_at", UtcDateTime, nullable=False),
    C("attempts", sa.Integer, nullable=False),
    C("done_at", UtcDateTime, nullable=True),
    C("error", sa.Text, nullable=True),
    sa.Index(None, "topic", "model", "id"),
    sa.Index(
        "ix_outbox_waiting",
        "topic",
        "model",
        "id",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)

# Addresses that want to be told of events. Secrets are kept as they are: they must sign.
webhook = table(
    "webhook",
    C("id", sa.String(36), primary_key=True),
    C("url", sa.Text, nullable=False),
    C("form", sa.String(16), nullable=False),
    C("secret", sa.String(128), nullable=False),
    C("old_secret", sa.String(128), nullable=True),
    C("old_secret_until", UtcDateTime, nullable=True),
    C("events", sa.JSON, nullable=False),
    C("models", sa.JSON, nullable=False),
    C("created_by", sa.String(128), nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("disabled_at", UtcDateTime, nullable=True),
    C("disabled_reason", sa.Text, nullable=False),
)

# One message to one of them; the body is kept as it is signed.
webhook_delivery = table(
    "webhook_delivery",
    C("id", SERIAL, primary_key=True),
    C("endpoint_id", sa.ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    C("message_id", sa.String(64), nullable=False),
    C("type", sa.String(128), nullable=False),
    C("model", sa.String(128), nullable=False),
    C("body", sa.Text, nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("next_at", UtcDateTime, nullable=False),
    C("attempts", sa.Integer, nullable=False),
    C("first_tried_at", UtcDateTime, nullable=True),
    C("tried_at", UtcDateTime, nullable=True),
    C("delivered_at", UtcDateTime, nullable=True),
    C("answer", sa.Text, nullable=False),
    sa.UniqueConstraint("endpoint_id", "message_id"),
    # Of what waits alone: PostgreSQL sorts all of it where the index begins with a NULL.
    sa.Index(
        "ix_webhook_delivery_waiting",
        "endpoint_id",
        "id",
        sqlite_where=sa.text("delivered_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL"),
    ),
    sa.Index(None, "created_at"),
)

# Who runs a loop that must run once.
lease = table(
    "lease",
    C("name", sa.String(64), primary_key=True),
    C("holder", sa.String(64), nullable=False),
    C("expires_at", UtcDateTime, nullable=False),
)

# One row for each answer of a candidate, in prediction order; gates read nothing else of it. Where
# a gate compares, there is also one for each answer of the baseline that was drawn.
evidence = table(
    "evidence",
    C("id", SERIAL, primary_key=True),
    C("rollout_id", sa.String(36), nullable=False),
    C("stage", sa.String(24), nullable=False),
    C("step", sa.Integer, nullable=False),
    # the rollout's generation; 0 where it was not written down yet
    C("epoch", sa.Integer, nullable=False, server_default="0"),
    C("prediction_id", sa.String(36), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("arm", sa.String(16), nullable=False),  # "candidate" or "baseline"
    C("model_label", sa.String(256), nullable=False),
    C("baseline_label", sa.String(256), nullable=True),
    C("inclusion_probability", sa.Float, nullable=False),
    C("sampled", sa.Boolean, nullable=False),
    C("drawn", sa.Boolean, nullable=False),  # by chance alone, whatever flags there are
    C("unit", sa.BigInteger, nullable=True),  # a hash of who asked
    C("segments", sa.JSON, nullable=False),
    C("due_at", UtcDateTime, nullable=True),
    C("human_label", sa.String(256), nullable=True),
    # "correct", "error", or null while a sampled row waits for its verdict
    C("verdict", sa.String(16), nullable=True),
    C("reviewer", sa.String(128), nullable=True),
    C("created_at", UtcDateTime, nullable=False),
    C("decided_at", UtcDateTime, nullable=True),
    # "wanted" until two reviewers have "agreed" or "disagreed"; null where one is asked
    C("second", sa.String(16), nullable=True),
    sa.Index(None, "rollout_id", "stage", "id"),
    sa.Index(None, "prediction_id"),
)

# The answers that wait for a verdict are few, and every turn of the controller asks for them.
# A text, since a partial index is used only where a query says the very same.
OPEN_EVIDENCE = sa.text("sampled AND verdict IS NULL")
sa.Index(
    "ix_evidence_open",
    evidence.c.rollout_id,
    evidence.c.stage,
    evidence.c.due_at,
    sqlite_where=OPEN_EVIDENCE,
    postgresql_where=OPEN_EVIDENCE,
)

# What is known of the reviewers' own work, for the gates that ask how far to rely on it.
reviewer_check = table(
    "reviewer_check",
    C("id", SERIAL, primary_key=True),
    C("kind", sa.String(16), nullable=False),  # "gold"; "second" in older rows
    C("model", sa.String(128), nullable=False),
    C("rollout_id", sa.String(36), nullable=True),
    C("item_id", sa.String(36), nullable=False),
    C("reviewer", sa.String(128), nullable=False),
    C("model_was_right", sa.Boolean, nullable=True),
    C("agreed", sa.Boolean, nullable=False),
    C("at", UtcDateTime, nullable=False),
    C("waiting", sa.Boolean, nullable=False, server_default=sa.false()),
    C("due_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("item_id", "reviewer", "kind"),
    sa.Index(None, "model", "at"),
)

# What could change after a promotion of the evidence that it was judged on: which rows were there,
# and how each stood. The audit log refers to it by the digest of the whole.
judged_evidence = table(
    "judged_evidence",
    C("digest", sa.String(80), primary_key=True),
    C("content", sa.LargeBinary, nullable=False),
)

# How far each gate has come, for charts; the points of a row are bounded.
gate_series = table(
    "gate_series",
    C("rollout_id", sa.String(36), primary_key=True),
    C("stage", sa.String(24), primary_key=True),
    C("key", sa.String(64), primary_key=True),
    C("type", sa.String(64), nullable=False),
    C("segment", sa.Text, nullable=True),
    C("nth", sa.Integer, nullable=False),
    C("began_at", UtcDateTime, nullable=False),
    C("points", sa.JSON, nullable=False),
)

# One row for each request whose version was drawn by lot. It is written with every prediction of
# such a rollout, so it is narrow and has one index.
exposure = table(
    "exposure",
    C("id", SERIAL, primary_key=True),
    C("rollout_id", sa.String(36), nullable=False),
    C("stage", sa.String(24), nullable=False),
    C("step", sa.Integer, nullable=False),
    C("epoch", sa.Integer, nullable=False),  # the rollout's generation
    C("share", sa.Float, nullable=False),  # part of the units that were the candidate's then
    C("candidate", sa.Boolean, nullable=False),  # the arm
    C("unit", sa.BigInteger, nullable=False),  # a salted hash
    C("action", sa.String(256), nullable=True),
    C("failed", sa.Boolean, nullable=False),
    C("answer_ms", sa.Float, nullable=True),
    C("segments", sa.Text, nullable=True),  # JSON, where a gate looks at them one by one
    C("created_at", UtcDateTime, nullable=False),
    sa.Index(None, "rollout_id", "stage", "id"),
)

# What monitoring measured, for the drift gate to read.
drift_evidence = table(
    "drift_evidence",
    C("id", SERIAL, primary_key=True),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("window_from", UtcDateTime, nullable=False),
    C("window_to", UtcDateTime, nullable=False),
    C("rows", sa.Integer, nullable=False),
    C("alarm", sa.Boolean, nullable=False),
    C("sentence", sa.Text, nullable=False),
    C("detail", sa.JSON, nullable=False),
    C("at", UtcDateTime, nullable=False),
    sa.Index(None, "model", "version", "id"),
)
