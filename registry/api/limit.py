"""How many entries of a log a caller wants."""

from typing import Annotated

from fastapi import Query

Limit = Annotated[int | None, Query(ge=1, le=10_000, description="the last ones; all without")]
