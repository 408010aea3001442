"""The tables of predictions, shadow records, daily quotas and inputs to be forgotten."""

import sqlalchemy as sa
from sqlalchemy import Column as C  # noqa: N817 - a table reads best when its columns are short

from registry.adapters.database.schema import SERIAL, UtcDateTime, table

prediction = table(
    "prediction",
    C("id", sa.String(36), primary_key=True),  # UUID version 7: sorts by time
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=True),  # the version that answers; null: nobody but a person
    C("candidate", sa.Integer, nullable=True),
    C("rollout_id", sa.String(36), nullable=True),
    C("stage", sa.String(24), nullable=False),
    C("reason", sa.Text, nullable=False),  # which rule chose the version
    C("attributes", sa.JSON, nullable=False),
    C("payload_digest", sa.String(80), nullable=False),
    C("payload_type", sa.String(128), nullable=False),
    C("status", sa.String(16), nullable=False),  # final, held, cancelled
    C("model_answer", sa.JSON, nullable=True),  # hidden while held
    C("fallback_answer", sa.JSON, nullable=True),  # what the caller is told if nobody is in time
    C("fallback_version", sa.Integer, nullable=True),
    C("fallback_decided_by", sa.String(16), nullable=True),
    C("answer", sa.JSON, nullable=True),  # what the caller was told
    C("decided_by", sa.String(16), nullable=True),  # model, human, baseline, fallback
    C("flags", sa.JSON, nullable=False),
    C("p_value", sa.Float, nullable=True),
    C("threshold", sa.Float, nullable=True),
    C("random_number", sa.Float, nullable=False),
    C("inclusion_probability", sa.Float, nullable=False),
    C("due_at", UtcDateTime, nullable=True),
    C("late", sa.String(16), nullable=True),
    C("idempotency_key", sa.String(256), nullable=True),
    C("request_digest", sa.String(80), nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("final_at", UtcDateTime, nullable=True),
    C("amended_answer", sa.JSON, nullable=True),  # a person's, after a fallback had been told
    C("amended_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("model", "idempotency_key"),
    sa.Index(None, "model", "created_at"),
    sa.Index(None, "status", "due_at"),
)

# What a version said without driving any action; no response can hold one.
shadow_record = table(
    "shadow_record",
    C("id", SERIAL, primary_key=True),
    C("prediction_id", sa.String(36), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("answer", sa.JSON, nullable=True),
    C("p_value", sa.Float, nullable=True),
    C("failure", sa.Text, nullable=True),  # why it said nothing
    C("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("prediction_id", "version"),
)

# Inputs that are to be deleted as soon as no person is to be asked about them.
forgotten_input = table(
    "forgotten_input",
    C("digest", sa.String(80), primary_key=True),
    C("asked_at", UtcDateTime, nullable=False),
)

# How many requests a rollout's scope has let in on one day.
scope_count = table(
    "scope_count",
    C("rollout_id", sa.String(36), primary_key=True),
    C("day", sa.Date, primary_key=True),
    C("admitted", sa.Integer, nullable=False),
)
