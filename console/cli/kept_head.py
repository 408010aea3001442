"""The option `--expect-head`: a hash of the audit log that somebody kept."""

import typer

from registry.domain.audit_chain import kept_hash
from registry.domain.errors import Invalid


def kept_head(value: str | None) -> str | None:
    """The hash; wrong usage if it was mistyped."""
    try:
        return None if value is None else kept_hash(value)
    except Invalid as error:
        raise typer.BadParameter(str(error)) from error
