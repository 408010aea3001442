"""The first tables."""

import sqlalchemy as sa
from alembic import op

from registry.adapters.database.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("raised_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime, nullable=False),
        sa.Column("cleared_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_model_raised_at"), "alert", ["model", "raised_at"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=True),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index(op.f("ix_api_key_person"), "api_key", ["person"], unique=False)
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("evidence_digest", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        sa.UniqueConstraint(
            "rollout_id",
            "stage",
            "step",
            "actor",
            "evidence_digest",
            name=op.f("uq_approval_rollout_id_stage_step_actor_evidence_digest"),
        ),
    )
    op.create_table(
        "audit_event",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("rollout_id", sa.String(length=36), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=80), nullable=False),
        sa.Column("hash", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_event_hash")),
    )
    op.create_index(
        op.f("ix_audit_event_model_sequence"), "audit_event", ["model", "sequence"], unique=False
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "drift_evidence",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("window_from", UtcDateTime, nullable=False),
        sa.Column("window_to", UtcDateTime, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("alarm", sa.Boolean(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_evidence")),
    )
    op.create_index(
        op.f("ix_drift_evidence_model_version_id"),
        "drift_evidence",
        ["model", "version", "id"],
        unique=False,
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=16), nullable=False),
        sa.Column("model_label", sa.String(length=256), nullable=False),
        sa.Column("baseline_label", sa.String(length=256), nullable=True),
        sa.Column("inclusion_probability", sa.Float(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=True),
        sa.Column("segments", sa.JSON(), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=True),
        sa.Column("human_label", sa.String(length=256), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("reviewer", sa.String(length=128), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(
        "ix_evidence_open",
        "evidence",
        ["rollout_id", "stage", "due_at"],
        unique=False,
        sqlite_where=sa.text("sampled AND verdict IS NULL"),
        postgresql_where=sa.text("sampled AND verdict IS NULL"),
    )
    op.create_index(op.f("ix_evidence_prediction_id"), "evidence", ["prediction_id"], unique=False)
    op.create_index(
        op.f("ix_evidence_rollout_id_stage_id"),
        "evidence",
        ["rollout_id", "stage", "id"],
        unique=False,
    )
    op.create_table(
        "exposure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("candidate", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=256), nullable=True),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("answer_ms", sa.Float(), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exposure")),
    )
    op.create_index(
        op.f("ix_exposure_rollout_id_stage_id"),
        "exposure",
        ["rollout_id", "stage", "id"],
        unique=False,
    )
    op.create_table(
        "gate_series",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcDateTime, nullable=False),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "stage", "key", name=op.f("pk_gate_series")),
    )
    op.create_table(
        "judged_evidence",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_judged_evidence")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "live_version",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_live_version")),
    )
    op.create_table(
        "live_window",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("replica", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("shift_evidence", sa.Float(), nullable=False),
        sa.Column("growth", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_window")),
        sa.UniqueConstraint(
            "model",
            "version",
            "replica",
            "epoch",
            name=op.f("uq_live_window_model_version_replica_epoch"),
        ),
    )
    op.create_index(
        op.f("ix_live_window_model_version_ended_at"),
        "live_window",
        ["model", "version", "ended_at"],
        unique=False,
    )
    op.create_table(
        "login_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_login_session")),
    )
    op.create_index(
        op.f("ix_login_session_expires_at"), "login_session", ["expires_at"], unique=False
    )
    op.create_index(op.f("ix_login_session_person"), "login_session", ["person"], unique=False)
    op.create_table(
        "login_tally",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_tally")),
    )
    op.create_table(
        "model_version",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("bundle_uri", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("source_format", sa.String(length=32), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("parity", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_version")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done_at", UtcDateTime, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        op.f("ix_outbox_done_at_topic_model_id"),
        "outbox",
        ["done_at", "topic", "model", "id"],
        unique=False,
    )
    op.create_table(
        "person",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("folded", sa.String(length=512), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("lead", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("issuer", sa.String(length=512), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("disabled_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person")),
        sa.UniqueConstraint("folded", name=op.f("uq_person_folded")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_person_issuer_subject")),
    )
    op.create_table(
        "prediction",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("candidate", sa.Integer(), nullable=True),
        sa.Column("rollout_id", sa.String(length=36), nullable=True),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("payload_digest", sa.String(length=80), nullable=False),
        sa.Column("payload_type", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("model_answer", sa.JSON(), nullable=True),
        sa.Column("fallback_answer", sa.JSON(), nullable=True),
        sa.Column("fallback_version", sa.Integer(), nullable=True),
        sa.Column("fallback_decided_by", sa.String(length=16), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("decided_by", sa.String(length=16), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("random_number", sa.Float(), nullable=False),
        sa.Column("inclusion_probability", sa.Float(), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=True),
        sa.Column("late", sa.String(length=16), nullable=True),
        sa.Column("idempotency_key", sa.String(length=256), nullable=True),
        sa.Column("request_digest", sa.String(length=80), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("final_at", UtcDateTime, nullable=True),
        sa.Column("amended_answer", sa.JSON(), nullable=True),
        sa.Column("amended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
        sa.UniqueConstraint(
            "model", "idempotency_key", name=op.f("uq_prediction_model_idempotency_key")
        ),
    )
    op.create_index(
        op.f("ix_prediction_model_created_at"), "prediction", ["model", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_prediction_status_due_at"), "prediction", ["status", "due_at"], unique=False
    )
    op.create_table(
        "provider_login",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("next", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_provider_login")),
    )
    op.create_table(
        "review_decision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=8), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=256), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("informed", sa.Boolean(), nullable=False),
        sa.Column(
            "supersedes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("bulk", sa.String(length=256), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("seen", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=256), nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_decision")),
        sa.UniqueConstraint(
            "item_id",
            "reviewer",
            "idempotency_key",
            name=op.f("uq_review_decision_item_id_reviewer_idempotency_key"),
        ),
    )
    op.create_index(op.f("ix_review_decision_bulk"), "review_decision", ["bulk"], unique=False)
    op.create_table(
        "review_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_event")),
    )
    op.create_index(
        op.f("ix_review_event_item_id_id"), "review_event", ["item_id", "id"], unique=False
    )
    op.create_table(
        "review_item",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("prediction_id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("codes", sa.String(length=128), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("model_answer", sa.JSON(), nullable=True),
        sa.Column("presentation", sa.String(length=16), nullable=False),
        sa.Column("payload_digest", sa.String(length=80), nullable=False),
        sa.Column("payload_type", sa.String(length=128), nullable=False),
        sa.Column("queue", sa.String(length=8), nullable=False),
        sa.Column("sort_key", sa.Float(), nullable=False),
        sa.Column("opinions", sa.Integer(), nullable=False),
        sa.Column("random_number", sa.Float(), nullable=False),
        sa.Column("inclusion_probability", sa.Float(), nullable=False),
        sa.Column("likeness", sa.String(length=64), nullable=True),
        sa.Column("plants", sa.String(length=36), nullable=True),
        sa.Column("gold_of", sa.String(length=36), nullable=True),
        sa.Column("truth", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("closes_at", UtcDateTime, nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=True),
        sa.Column("due_at", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_item")),
    )
    op.create_index(
        "ix_review_item_gold",
        "review_item",
        ["gold_of", "state"],
        unique=False,
        sqlite_where=sa.text("gold_of IS NOT NULL"),
        postgresql_where=sa.text("gold_of IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_review_item_likeness_state"), "review_item", ["likeness", "state"], unique=False
    )
    op.create_index(
        op.f("ix_review_item_model_source_id"),
        "review_item",
        ["model", "source", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_review_item_prediction_id"), "review_item", ["prediction_id"], unique=False
    )
    op.create_index(
        op.f("ix_review_item_state_closes_at"), "review_item", ["state", "closes_at"], unique=False
    )
    op.create_index(
        op.f("ix_review_item_state_codes_created_at"),
        "review_item",
        ["state", "codes", "created_at"],
        unique=False,
    )
    op.create_index(
        "uq_review_item_prediction",
        "review_item",
        ["prediction_id"],
        unique=True,
        sqlite_where=sa.text("gold_of IS NULL"),
        postgresql_where=sa.text("gold_of IS NULL"),
    )
    op.create_table(
        "review_lane",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=8), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_lane")),
        sa.UniqueConstraint("key", name=op.f("uq_review_lane_key")),
    )
    op.create_table(
        "review_lane_member",
        sa.Column("lane_id", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("lane_id", "reviewer", name=op.f("pk_review_lane_member")),
    )
    op.create_table(
        "review_slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("lane_id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=8), nullable=False),
        sa.Column("sort_key", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("free_at", UtcDateTime, nullable=True),
        sa.Column("claimed_at", UtcDateTime, nullable=True),
        sa.Column("informed", sa.Boolean(), nullable=False),
        sa.Column(
            "decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_slot")),
        sa.UniqueConstraint("item_id", "number", name=op.f("uq_review_slot_item_id_number")),
    )
    op.create_index(
        op.f("ix_review_slot_holder_state"), "review_slot", ["holder", "state"], unique=False
    )
    op.create_index(
        op.f("ix_review_slot_state_free_at"), "review_slot", ["state", "free_at"], unique=False
    )
    op.create_index(
        op.f("ix_review_slot_state_lane_id_sort_key_id"),
        "review_slot",
        ["state", "lane_id", "sort_key", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_review_slot_state_sort_key_id"),
        "review_slot",
        ["state", "sort_key", "id"],
        unique=False,
    )
    op.create_table(
        "reviewer_check",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("rollout_id", sa.String(length=36), nullable=True),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("model_was_right", sa.Boolean(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviewer_check")),
        sa.UniqueConstraint(
            "item_id", "reviewer", "kind", name=op.f("uq_reviewer_check_item_id_reviewer_kind")
        ),
    )
    op.create_index(
        op.f("ix_reviewer_check_model_at"), "reviewer_check", ["model", "at"], unique=False
    )
    op.create_table(
        "rollout",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("version_digest", sa.String(length=80), nullable=False),
        sa.Column("baseline", sa.Integer(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("paused_by", sa.String(length=128), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("started_by", sa.String(length=128), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("stage_since", UtcDateTime, nullable=False),
        sa.Column("step_since", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.Column("watched_until", UtcDateTime, nullable=True),
        sa.Column("active_model", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout")),
        sa.UniqueConstraint("active_model", name=op.f("uq_rollout_active_model")),
    )
    op.create_index(
        op.f("ix_rollout_model_started_at"), "rollout", ["model", "started_at"], unique=False
    )
    op.create_table(
        "routing_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_clock")),
    )
    op.create_table(
        "scope_count",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("admitted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "day", name=op.f("pk_scope_count")),
    )
    op.create_table(
        "shadow_record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("prediction_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("p_value", sa.Float(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_record")),
        sa.UniqueConstraint(
            "prediction_id", "version", name=op.f("uq_shadow_record_prediction_id_version")
        ),
    )
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("old_secret", sa.String(length=128), nullable=True),
        sa.Column("old_secret_until", UtcDateTime, nullable=True),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("disabled_at", UtcDateTime, nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("endpoint_id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("next_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_tried_at", UtcDateTime, nullable=True),
        sa.Column("tried_at", UtcDateTime, nullable=True),
        sa.Column("delivered_at", UtcDateTime, nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook.id"],
            name=op.f("fk_webhook_delivery_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint(
            "endpoint_id", "message_id", name=op.f("uq_webhook_delivery_endpoint_id_message_id")
        ),
    )
    op.create_index(
        op.f("ix_webhook_delivery_created_at"), "webhook_delivery", ["created_at"], unique=False
    )
    op.create_index(
        op.f("ix_webhook_delivery_endpoint_id_delivered_at_id"),
        "webhook_delivery",
        ["endpoint_id", "delivered_at", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index(
        op.f("ix_webhook_delivery_endpoint_id_delivered_at_id"), table_name="webhook_delivery"
    )
    op.drop_index(op.f("ix_webhook_delivery_created_at"), table_name="webhook_delivery")
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
    op.drop_table("shadow_record")
    op.drop_table("scope_count")
    op.drop_table("routing_clock")
    op.drop_index(op.f("ix_rollout_model_started_at"), table_name="rollout")
    op.drop_table("rollout")
    op.drop_index(op.f("ix_reviewer_check_model_at"), table_name="reviewer_check")
    op.drop_table("reviewer_check")
    op.drop_index(op.f("ix_review_slot_state_sort_key_id"), table_name="review_slot")
    op.drop_index(op.f("ix_review_slot_state_lane_id_sort_key_id"), table_name="review_slot")
    op.drop_index(op.f("ix_review_slot_state_free_at"), table_name="review_slot")
    op.drop_index(op.f("ix_review_slot_holder_state"), table_name="review_slot")
    op.drop_table("review_slot")
    op.drop_table("review_lane_member")
    op.drop_table("review_lane")
    op.drop_index(
        "uq_review_item_prediction",
        table_name="review_item",
        sqlite_where=sa.text("gold_of IS NULL"),
        postgresql_where=sa.text("gold_of IS NULL"),
    )
    op.drop_index(op.f("ix_review_item_state_codes_created_at"), table_name="review_item")
    op.drop_index(op.f("ix_review_item_state_closes_at"), table_name="review_item")
    op.drop_index(op.f("ix_review_item_prediction_id"), table_name="review_item")
    op.drop_index(op.f("ix_review_item_model_source_id"), table_name="review_item")
    op.drop_index(op.f("ix_review_item_likeness_state"), table_name="review_item")
    op.drop_index(
        "ix_review_item_gold",
        table_name="review_item",
        sqlite_where=sa.text("gold_of IS NOT NULL"),
        postgresql_where=sa.text("gold_of IS NOT NULL"),
    )
    op.drop_table("review_item")
    op.drop_index(op.f("ix_review_event_item_id_id"), table_name="review_event")
    op.drop_table("review_event")
    op.drop_index(op.f("ix_review_decision_bulk"), table_name="review_decision")
    op.drop_table("review_decision")
    op.drop_table("provider_login")
    op.drop_index(op.f("ix_prediction_status_due_at"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_model_created_at"), table_name="prediction")
    op.drop_table("prediction")
    op.drop_table("person")
    op.drop_index(op.f("ix_outbox_done_at_topic_model_id"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("model_version")
    op.drop_table("login_tally")
    op.drop_index(op.f("ix_login_session_person"), table_name="login_session")
    op.drop_index(op.f("ix_login_session_expires_at"), table_name="login_session")
    op.drop_table("login_session")
    op.drop_index(op.f("ix_live_window_model_version_ended_at"), table_name="live_window")
    op.drop_table("live_window")
    op.drop_table("live_version")
    op.drop_table("lease")
    op.drop_table("judged_evidence")
    op.drop_table("gate_series")
    op.drop_index(op.f("ix_exposure_rollout_id_stage_id"), table_name="exposure")
    op.drop_table("exposure")
    op.drop_index(op.f("ix_evidence_rollout_id_stage_id"), table_name="evidence")
    op.drop_index(op.f("ix_evidence_prediction_id"), table_name="evidence")
    op.drop_index(
        "ix_evidence_open",
        table_name="evidence",
        sqlite_where=sa.text("sampled AND verdict IS NULL"),
        postgresql_where=sa.text("sampled AND verdict IS NULL"),
    )
    op.drop_table("evidence")
    op.drop_index(op.f("ix_drift_evidence_model_version_id"), table_name="drift_evidence")
    op.drop_table("drift_evidence")
    op.drop_table("audit_head")
    op.drop_index(op.f("ix_audit_event_model_sequence"), table_name="audit_event")
    op.drop_table("audit_event")
    op.drop_table("approval")
    op.drop_index(op.f("ix_api_key_person"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_index(op.f("ix_alert_model_raised_at"), table_name="alert")
    op.drop_table("alert")
