"""`rollout why` says what is decided, or what can still become of a version."""

from console.cli.rollout_text import reasons

GATE = {"type": "error-rate", "verdict": "inconclusive", "sentence": "error rate: 3 reviewed"}


def why(stage: str, reason: str, action: str = "hold", **more: object) -> list[str]:
    document = {
        "model": "bears", "version": 2, "stage": stage, "weight": 100, "gates": [],
        "decision": {"action": action, "reasons": [reason]}, **more,
    }  # fmt: skip
    return reasons(document).splitlines()


def test_of_a_candidate_it_says_what_is_decided() -> None:
    assert why("manual-review", "error rate: 3 reviewed", gates=[GATE]) == [
        "bears@2 is in manual review.",
        "[inconclusive] error-rate: error rate: 3 reviewed",
        "Decision: hold.",
        "  - error rate: 3 reviewed",
    ]


def test_of_a_watched_version_it_says_until_when_harm_takes_it_back_and_who_answers_then() -> None:
    said = "bears@2 is live; harm takes it back until 2026-07-01 12:00 UTC"
    assert why("live", said, gates=[GATE], returns_to=1) == [
        f"{said}.",
        "[inconclusive] error-rate: error rate: 3 reviewed",
        "If it is taken back, version 1 answers again.",
    ]
    assert why("live", said)[-1] == "If it is taken back, no version answers."


def test_of_a_version_that_is_over_nothing_is_decided() -> None:
    said = "bears@2 is rolled back; nothing is being decided"
    assert why("rolled-back", said) == [f"{said}."]


def test_harm_under_watch_is_a_decision() -> None:
    assert why("live", "error rate: above 0.05", "roll-back")[-2:] == [
        "Decision: roll-back.", "  - error rate: above 0.05"
    ]  # fmt: skip


def test_a_gate_that_pauses_says_so() -> None:
    found = why("manual-review", "x", gates=[{**GATE, "then": "pause"}])
    assert found[1] == "[inconclusive] error-rate (pauses): error rate: 3 reviewed"
