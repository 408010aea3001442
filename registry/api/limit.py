"""Values in addresses: how many entries of a log, which version, which moment."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

Limit = Annotated[int | None, Query(ge=1, le=10_000, description="the last ones; all without")]
Moment = Annotated[datetime | None, Query(description="in UTC if it names no zone; now without")]
# One that no database could hold is no version either.
WhichVersion = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the last without")]
