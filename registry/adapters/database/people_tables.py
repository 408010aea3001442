"""The tables of people, their sessions and keys, and of attempts to log in."""

import sqlalchemy as sa
from sqlalchemy import Column as C  # noqa: N817 - a table reads best when its columns are short

from registry.adapters.database.schema import UtcDateTime, table

person = table(
    "person",
    C("name", sa.String(128), primary_key=True),
    C("folded", sa.String(512), nullable=False, unique=True),  # Ada and ada are one person
    C("role", sa.String(16), nullable=False),
    C("lead", sa.Boolean, nullable=False),
    C("password_hash", sa.String(256), nullable=True),
    C("issuer", sa.String(512), nullable=True),
    C("subject", sa.String(255), nullable=True),
    C("created_at", UtcDateTime, nullable=False),
    C("created_by", sa.String(128), nullable=False),
    C("disabled_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("issuer", "subject"),
)

# Who is logged in. The token itself is only in the browser's cookie.
login_session = table(
    "login_session",
    C("token_hash", sa.String(64), primary_key=True),
    C("person", sa.String(128), nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("seen_at", UtcDateTime, nullable=False),
    C("expires_at", UtcDateTime, nullable=False),
    sa.Index(None, "person"),
    sa.Index(None, "expires_at"),
)

api_key = table(
    "api_key",
    C("prefix", sa.String(16), primary_key=True),
    C("key_hash", sa.String(64), nullable=False, unique=True),
    C("person", sa.String(128), nullable=False),
    C("role", sa.String(16), nullable=False),
    C("label", sa.String(200), nullable=False),
    C("created_at", UtcDateTime, nullable=False),
    C("created_by", sa.String(128), nullable=False),
    C("expires_at", UtcDateTime, nullable=True),
    C("revoked_at", UtcDateTime, nullable=True),
    C("used_at", UtcDateTime, nullable=True),
    sa.Index(None, "person"),
)

# Attempts to log in since `started_at`; the subject is a keyed hash, since what people type as
# their name may be their password.
login_tally = table(
    "login_tally",
    C("subject", sa.String(64), primary_key=True),
    C("started_at", UtcDateTime, nullable=False),
    C("attempts", sa.Integer, nullable=False),
)

# A login that has come back from an OpenID provider: it does so once.
provider_login = table(
    "provider_login",
    C("state_hash", sa.String(64), primary_key=True),
    C("expires_at", UtcDateTime, nullable=False),
)
