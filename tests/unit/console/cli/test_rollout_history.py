"""The audit log as `rollout history` prints it: what happened, why, and how long that took."""

from console.cli.rollout_text import events, preview

GRADUAL = {"stage": "gradual", "step": 0, "weight": 5}


def an_event(number: int, at: str, action: str, **detail: object) -> dict[str, object]:
    rollout = detail.pop("rollout_id", "r1")
    return {
        "sequence": number, "at": f"2026-06-0{at}:00+00:00", "actor": "eve", "action": action,
        "version": 2, "rollout_id": rollout, "hash": f"sha256:{number:064}", "detail": detail,
    }  # fmt: skip


def test_each_line_says_why_and_how_long_after_the_one_before_of_the_same_rollout():
    waiting = {"sentence": "bears@2 passes every gate and waits for 1 approval"}
    text = events(
        [
            an_event(1, "1T08:00", "started", to={"stage": "manual-review"}),
            an_event(2, "2T09:00", "waiting-for-approval", **waiting),
            an_event(3, "2T10:00", "looked", rollout_id=None),
            an_event(4, "2T12:30", "promoted", to=GRADUAL, reason="on"),
            an_event(5, "1T12:30", "paused", reason="the clock was set back"),
        ]
    )
    lines = [line.split() for line in text.splitlines()[1:]]
    assert [line[3:7] for line in lines] == [
        ["eve", "2", "000000000000", "started"],
        ["1", "d", "1", "h"],
        ["eve", "2", "000000000000", "looked"],
        ["3", "h", "30", "min"],
        ["eve", "2", "000000000000", "paused:"],
    ]
    assert "promoted to gradual at 5 %: on" in text
    assert "waits for 1 approval" in text


def test_a_dry_run_compares_with_what_runs_and_with_nothing_else():
    found = {
        "standing": "no version is live", "traffic": "no requests", "objections": [],
        "compared_with": None, "differences": ["gradual: new"], "stages": [],
    }  # fmt: skip
    assert preview(found).splitlines() == ["no version is live.", "no requests."]
    assert preview(found | {"compared_with": "bears@1"}).splitlines()[2:] == [
        "Against the plan of bears@1:",
        "  - gradual: new",
    ]
