"""The tables of the review queue: items, their slots, and what reviewers said and did."""

import sqlalchemy as sa
from sqlalchemy import Column as C  # noqa: N817 - a table reads best when its columns are short

from registry.adapters.database.schema import SERIAL, UtcDateTime, table

# One question to people. What a reviewer is shown never changes; state and outcome do.
review_item = table(
    "review_item",
    C("id", sa.String(36), primary_key=True),
    C("prediction_id", sa.String(36), nullable=False),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=True),
    C("stage", sa.String(24), nullable=False),
    C("reasons", sa.JSON, nullable=False),
    C("codes", sa.String(128), nullable=False),  # of the reasons, to count by
    C("labels", sa.JSON, nullable=False),
    C("several", sa.Boolean, nullable=False, server_default=sa.false()),  # labels in one answer
    C("model_answer", sa.JSON, nullable=True),
    C("presentation", sa.String(16), nullable=False),  # blind, answer-first, shown
    C("payload_digest", sa.String(80), nullable=False),
    C("payload_type", sa.String(128), nullable=False),
    C("queue", sa.String(8), nullable=False),  # work or audit: where its first slot waits
    C("sort_key", sa.Float, nullable=False),
    C("opinions", sa.Integer, nullable=False),  # how many reviewers must agree
    C("random_number", sa.Float, nullable=False),
    C("inclusion_probability", sa.Float, nullable=False),
    C("likeness", sa.String(64), nullable=True),  # items of one likeness may be decided in bulk
    C("plants", sa.String(36), nullable=True),  # seeds the gold item to plant when it is final
    C("plants_chance", sa.Float, nullable=True),  # with which audit items are drawn then
    C("plants_opinions", sa.Integer, nullable=True),  # how many must agree on one
    C("gold_of", sa.String(36), nullable=True),  # the decided item that this one repeats
    C("truth", sa.JSON, nullable=True),  # what was found there
    C("state", sa.String(16), nullable=False),  # open, closing, decided, cancelled
    C("closes_at", UtcDateTime, nullable=True),  # until then the last answer can be undone
    C("outcome", sa.JSON, nullable=True),
    C("source", sa.String(16), nullable=True),  # single, agreed, adjudicated
    C("due_at", UtcDateTime, nullable=True),
    C("created_at", UtcDateTime, nullable=False),
    C("decided_at", UtcDateTime, nullable=True),
    sa.Index(None, "prediction_id"),
    sa.Index(None, "state", "closes_at"),
    sa.Index(None, "state", "codes", "created_at"),
    sa.Index(None, "likeness", "state"),
    sa.Index(None, "model", "source", "id"),
    sa.Index(None, "model", "created_at"),
)
sa.Index(
    "uq_review_item_prediction",
    review_item.c.prediction_id,
    unique=True,
    sqlite_where=sa.text("gold_of IS NULL"),
    postgresql_where=sa.text("gold_of IS NULL"),
)
sa.Index(
    "ix_review_item_gold",
    review_item.c.gold_of,
    review_item.c.state,
    sqlite_where=sa.text("gold_of IS NOT NULL"),
    postgresql_where=sa.text("gold_of IS NOT NULL"),
)

# One row for each opinion that an item needs; an item has one at most that is not done.
review_slot = table(
    "review_slot",
    C("id", SERIAL, primary_key=True),
    C("item_id", sa.String(36), nullable=False),
    C("number", sa.Integer, nullable=False),
    C("lane_id", sa.Integer, nullable=False),
    C("queue", sa.String(8), nullable=False),  # work, audit or lead, as its lane has it
    C("sort_key", sa.Float, nullable=False),
    C("state", sa.String(16), nullable=False),  # ready, leased, snoozed, done, cancelled
    C("holder", sa.String(128), nullable=True),
    C("epoch", sa.Integer, nullable=False),
    C("free_at", UtcDateTime, nullable=True),  # when a lease or a snooze runs out
    C("claimed_at", UtcDateTime, nullable=True),
    C("informed", sa.Boolean, nullable=False),  # the holder has seen the model's answer
    C("decision_id", SERIAL, nullable=True),  # the one current decision
    sa.UniqueConstraint("item_id", "number"),
    sa.Index(None, "state", "lane_id", "sort_key", "id"),
    sa.Index(None, "state", "sort_key", "id"),
    sa.Index(None, "state", "free_at"),
    sa.Index(None, "holder", "state"),
)

# Slots that the same people may not take wait in the same lane, so that nobody ever scans past
# what they are excluded from. `key` is the digest of queue, model and members.
review_lane = table(
    "review_lane",
    C("id", sa.Integer, primary_key=True),
    C("queue", sa.String(8), nullable=False),
    C("model", sa.String(128), nullable=False),
    C("key", sa.String(64), nullable=False, unique=True),
)

review_lane_member = table(
    "review_lane_member",
    C("lane_id", sa.Integer, primary_key=True),
    C("reviewer", sa.String(128), primary_key=True),
)

# Append-only: every answer of every reviewer, counted or not, corrected or not.
review_decision = table(
    "review_decision",
    C("id", SERIAL, primary_key=True),
    C("item_id", sa.String(36), nullable=False),
    C("slot", sa.Integer, nullable=False),
    C("queue", sa.String(8), nullable=False),
    C("reviewer", sa.String(128), nullable=False),
    C("epoch", sa.Integer, nullable=False),
    C("label", sa.String(256), nullable=True),  # null: none of these
    C("comment", sa.Text, nullable=False),
    C("counted", sa.Boolean, nullable=False),  # false: someone else had taken the item
    C("informed", sa.Boolean, nullable=False),  # the model's answer had been seen
    C("supersedes", SERIAL, nullable=True),  # the reviewer's own answer that this one corrects
    C("bulk", sa.String(256), nullable=True),  # the answers that were given at one stroke
    C("seconds", sa.Float, nullable=True),  # from the claim to the answer
    C("seen", sa.String(64), nullable=False),  # digest of what the reviewer was shown
    C("page", sa.String(64), nullable=True),  # revision of the page that showed it; null: none
    C("idempotency_key", sa.String(256), nullable=False),
    C("decided_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("item_id", "reviewer", "idempotency_key"),
    sa.Index(None, "bulk"),
    sa.Index(None, "decided_at"),
)

# Append-only: all else that people did with an item.
review_event = table(
    "review_event",
    C("id", SERIAL, primary_key=True),
    C("item_id", sa.String(36), nullable=False),
    C("at", UtcDateTime, nullable=False),
    C("actor", sa.String(128), nullable=False),
    C("action", sa.String(16), nullable=False),  # skipped, escalated, snoozed, undone, …
    C("detail", sa.JSON, nullable=False),
    C("request", sa.String(320), nullable=True),  # what is done once however often it is sent
    sa.Index(None, "item_id", "id"),
    sa.Index(None, "item_id", "actor", "request", unique=True),
)

# Items that somebody has passed on; much else is written down of every item.
PASSED_ON = sa.text("action IN ('skipped', 'escalated', 'snoozed')")
sa.Index(
    "ix_review_event_passed_on",
    review_event.c.item_id,
    sqlite_where=PASSED_ON,
    postgresql_where=PASSED_ON,
)

# What seeing a model's answer does to reviewers, and whether it is therefore shown after theirs.
review_bias = table(
    "review_bias",
    C("model", sa.String(128), primary_key=True),
    C("fallen_back_at", UtcDateTime, nullable=True),  # null: shown as the plan says
    C("at_most", sa.Float, nullable=False),  # the limit that it was compared with
    C("measured", sa.JSON, nullable=False),
    C("measured_at", UtcDateTime, nullable=False),
)
