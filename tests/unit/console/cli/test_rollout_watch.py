"""The live picture of a rollout in a terminal."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from page_documents import NOW, a_gate, a_rollout, an_event
from rich.console import Console

from console.cli.rollout_watch import over, picture, towards, watch
from registry.domain.errors import Unavailable

Document = dict[str, Any]
END = a_rollout(stage="rolled-back", gates=[], decision=None, deadline=None, weight=0)


def drawn(document: Document, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(picture(document, [an_event(1), an_event(2)], NOW, **options))
    return console.export_text()


def looks(*documents: Any) -> Callable[[], tuple[Document, list[Document]]]:
    left = list(documents)

    def look() -> tuple[Document, list[Document]]:
        found = left.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found, [an_event(1)]

    return look


def watched(*documents: Any, terminal: bool = False, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    waited: list[float] = []
    watch(looks(*documents), console, waited.append, **options)
    assert all(seconds >= 1 for seconds in waited)
    return console.file.getvalue()


def test_the_picture_shows_where_the_rollout_stands_and_what_is_missing():
    text = drawn(a_rollout(paused={"by": "bo", "reason": "holiday"}))
    assert "waste@3  gradual at 25 %  generation 7" in text
    assert "████░░░░░░░░░░░░ 25 %, then 100 %" in text
    assert "paused by bo: holiday" in text
    assert "deadline  in 3 d 2 h: if nobody acts, it is paused where it is" in text
    assert "approvals 0 of 1: none yet" in text
    assert "… error-rate" in text
    assert "██████████████░░ 89 %  about 130 more labels" in text
    assert "✗ error-rate site=ranger-7" in text
    assert "✓ drift" in text
    assert "drift: 500 inputs compared, no domain shift" in text
    assert "- error rate: 120 reviewed, 2 errors, needs about 130 more" in text
    assert "1 d 14 h ago ada promoted" in text


def test_the_bar_of_a_gate_goes_from_nothing_to_its_threshold():
    def bar(log_e: float | None, **changes: Any) -> float | None:
        numbers = {"log_e_pass": log_e, "log_e_pass_needed": 3.0}
        return towards(a_gate(numbers=numbers, **changes))

    assert [bar(-1.0), bar(1.5), bar(9.0), bar(None)] == [0.0, 0.5, 1.0, None]
    assert bar(1.5, verdict="failed") is None


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"stage": "gradual"}, False),
        ({"stage": "live", "watched_until": NOW.isoformat()}, False),
        ({"stage": "live", "watched_until": None}, True),
        ({"stage": "expired"}, True),
    ],
)
def test_it_looks_for_as_long_as_something_can_happen(changes: Document, ended: bool):
    assert over(a_rollout(**changes)) is ended


def test_elsewhere_than_on_a_terminal_there_is_one_plain_line_for_each_change():
    text = watched(a_rollout(gates=[]), a_rollout(gates=[]), END)
    assert text.splitlines() == ["waste@3: gradual at 25 %", "waste@3: rolled back"]


def test_programs_get_one_document_a_line():
    text = watched(a_rollout(), a_rollout(), END, terminal=True, line=json.dumps)
    assert [json.loads(line)["stage"] for line in text.splitlines()] == ["gradual", "rolled-back"]


@pytest.mark.parametrize("terminal", [True, False])
def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(terminal: bool):
    text = watched(a_rollout(), KeyboardInterrupt(), terminal=terminal)
    assert "waste@3" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == int(terminal)


def test_a_service_that_is_away_for_a_moment_does_not_end_the_picture():
    away = Unavailable("http://x does not answer")
    text = watched(a_rollout(), away, END, terminal=True)
    assert "http://x does not answer (trying again)" in text
    assert "rolled back" in text
