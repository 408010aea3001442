"""What tests of serving over HTTP share."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import serving_app
from review_calls import Serve
from serving_fakes import FakeRunner
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.domain.plan import StagePlan
from serving.api.parts import Serving


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Iterator[Serve]:
    """Version 1 always says paper, version 2 says what it is shown; answers can be undone."""
    with ExitStack() as stack:

        def start(part: StagePlan | None, **changes: Any) -> tuple[TestClient, Serving]:
            serving_app.register(database, part)
            runners = {1: FakeRunner("paper"), 2: FakeRunner()}
            made = serving_app.parts(
                database, str(tmp_path / "payloads"), runners, draw=lambda: 0.5
            )
            made = replace(made, **{"undo": timedelta(minutes=5), **changes})
            return stack.enter_context(serving_app.client(made)), made

        yield start
