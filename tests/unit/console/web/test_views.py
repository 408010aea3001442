"""What the pages say, as values."""

import math
from datetime import timedelta
from typing import Any

import pytest
from page_documents import (
    LABELS,
    NOW,
    a_decision,
    a_drift,
    a_gate,
    a_history,
    a_model,
    a_person,
    a_promotion,
    a_quality,
    a_queue,
    a_rollout,
    a_series,
    a_version,
    ago,
    an_event,
    an_item,
    the_people,
    the_readings,
)

from console.web.views.audit import audit_page, events
from console.web.views.drift import MOST_PLOTS, drift_page
from console.web.views.evidence_chart import chart_key, charts
from console.web.views.formatting import duration, moment, number, percent
from console.web.views.gates import gate
from console.web.views.histogram import HEIGHT, WIDTH, grouped, plot
from console.web.views.item_history import item_history_page
from console.web.views.model import model_page
from console.web.views.overview import overview_page
from console.web.views.people import people_page
from console.web.views.quality import quality_rows
from console.web.views.queues import queue, queue_row, queues_page
from console.web.views.review import lease, review_item, review_page
from console.web.views.review_input import input_panel
from console.web.views.review_notices import saved
from console.web.views.rollout import rollout_page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (3599, "1 h"),
        (12000, "3 h 20 min"),
        (30 * 86400 - 4, "30 days"),
        (2e5, "2 days"),
    ],
)
def test_a_duration_is_told_in_its_largest_fitting_unit(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0002, "0.02 %"), (0.012, "1.2 %"), (0.58, "58 %"), (1, "100 %")],
)
def test_a_small_share_is_not_rounded_to_nothing(share: float, text: str):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234, "1,234"), (2.0, "2"), (4.8e-6, "4.8e-06"), (True, "yes"), (None, "—"), ("a", "a")],
)
def test_numbers_are_short(value: object, text: str):
    assert number(value) == text


def test_a_time_is_told_relative_to_now_with_the_exact_one_beside_it():
    told = moment(ago(minutes=3), NOW)
    assert (told.text, told.exact) == ("3 min ago", "2026-11-23 11:57:00 UTC")
    assert moment((NOW + timedelta(seconds=5)).isoformat(), NOW).text == "in 5 s"


@pytest.mark.parametrize("value", [None, "", "yesterday", 12])
def test_what_is_no_time_is_no_moment(value: object):
    assert moment(value, NOW) is None


def test_only_the_first_nine_labels_have_a_key():
    labels = [f"label {number}" for number in range(11)]
    keys = [choice.key for choice in review_item(an_item(1, labels=labels), NOW, "k").choices]
    assert keys == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "", ""]


@pytest.mark.parametrize("presentation", ["blind", "answer-first"])
def test_the_models_answer_stays_hidden_even_if_the_api_gave_it(presentation: str):
    answer = {"prediction": "glass", "probabilities": {"glass": 0.58}}
    item = review_item(an_item(1, presentation=presentation, model_answer=answer), NOW, "k")
    assert not any(choice.model_share or choice.model_says for choice in item.choices)


def test_a_shown_answer_stands_beside_its_label():
    answer = {"prediction": "glass", "probabilities": {"glass": 0.58, "metal": 0.31}}
    item = review_item(an_item(1, presentation="shown", model_answer=answer), NOW, "k")
    glass = next(choice for choice in item.choices if choice.label == "glass")
    assert (glass.model_says, glass.model_share, glass.model_width) == (True, "58 %", "58.0")


def test_a_value_far_outside_is_drawn_at_the_edge_and_leaves_the_range_its_width():
    one = {"name": "age", "said": "9000", "sentence": "", "outside": True, "value": 9000.0}
    place = {"low": 0.0, "high": 100.0, "usual": [5.0, 95.0]}
    (value,) = input_panel({"values": [one | place]}).values
    bar = value.bar
    assert bar is not None
    assert (bar.at, bar.range_x, bar.range_width) == ("99.0", "17.3", "65.3")
    (other,) = input_panel({"values": [one | place | {"value": 50.0}]}).values
    assert other.bar is not None
    assert other.bar.at == "50.0"


def test_the_address_of_an_item_is_escaped():
    assert review_item(an_item(1, id="a/../b?c"), NOW, "k").path == ("/review/a%2F..%2Fb%3Fc")


def test_a_lease_counts_what_is_left_and_never_less_than_nothing():
    assert lease({"lease_until": (NOW + timedelta(seconds=552)).isoformat()}, NOW).clock == "9:12"
    assert lease({"lease_until": ago(minutes=1)}, NOW).seconds == 0


def answer(**changes: Any):
    model_answer = {"prediction": "glass", "probabilities": {"glass": 0.58}}
    return {
        "label": "metal",
        "counted": True,
        "agrees": False,
        "model_answer": model_answer,
    } | changes


def test_after_the_answer_the_models_is_told():
    differs = saved(answer(), "answer-first", NOW, "k")
    assert "The model said “glass” (58 %): you differ." in differs.detail
    assert "you agree" in saved(answer(label="glass", agrees=True), "shown", NOW, "k").detail


def test_a_blind_item_tells_nothing_even_afterwards():
    notice = saved(answer(), "blind", NOW, "k")
    assert (notice.text, notice.detail) == ("Saved: “metal”.", "")


def test_an_answer_that_did_not_count_says_so():
    notice = saved(answer(counted=False), "answer-first", NOW, "k")
    assert "did not count" in notice.text
    assert notice.tone == "warn"


def test_none_of_these_is_told_in_words():
    assert "none of these" in saved(answer(label=None), "blind", NOW, "k").text


def test_an_empty_queue_keeps_the_chosen_model():
    page = review_page(None, NOW, "ada", "k", "a&b")
    assert (page.item, page.look_url) == (None, "/review/item?model=a%26b")


def test_the_bar_of_a_gate_is_full_where_the_evidence_reaches_its_threshold():
    def width(log_e: float):
        numbers = {"log_e_pass": log_e, "log_e_pass_needed": math.log(20)}
        return gate(a_gate(numbers=numbers)).bar_width

    assert width(math.log(20)) == "100.0"
    assert width(math.log(20) / 2) == "50.0"
    assert width(-3.0) == "0.0"
    assert width(99.0) == "100.0"


def test_a_failed_gate_shows_the_evidence_of_harm():
    numbers = {"log_e_harm": math.log(150), "log_e_harm_needed": math.log(100)}
    assert gate(a_gate(verdict="failed", numbers=numbers)).bar_text == (
        "evidence of harm: 150, needs 100 (e-value, begins at 1)"
    )


def test_a_gate_without_an_e_value_has_no_bar():
    assert gate(a_gate(numbers={"rows": 500})).bar_width is None


def test_every_verdict_has_a_sign_of_its_own():
    signs = {gate(a_gate(verdict=v)).verdict.text[0] for v in ("passed", "failed", "inconclusive")}
    assert signs == {"✓", "✗", "…"}


def test_what_gates_were_last_seen_to_say_is_told_where_nobody_waited_for_them():
    reading = {
        "type": "error-rate",
        "segment": "site=a",
        "verdict": "inconclusive",
        "for_pass": 0.43,
    }
    failed = {"type": "split", "segment": None, "verdict": "failed", "for_pass": None}
    event = {
        "sequence": 3, "at": NOW.isoformat(), "actor": "eve", "action": "aborted", "model": "waste",
        "version": 3, "hash": "sha256:ab",
        "detail": {"reason": "so", "readings": [reading, failed]},
    }  # fmt: skip
    (shown,) = events([event], NOW)
    assert shown.told == (
        "so",
        "… error rate (site=a) was inconclusive, 43% of the way to passing",
        "✗ split was failed",
    )
    assert shown.rest == ()


def test_the_commands_are_complete():
    page = rollout_page(a_rollout(), [], NOW)
    texts = {command.name: command.text for command in page.commands}
    assert texts["Promote"] == "stagegate rollout promote waste --expect-generation 7"
    assert texts["Approve"].startswith("stagegate rollout approve waste --evidence sha256:cd")
    assert texts["Pause"].endswith("--expect-generation 7")
    assert "--expect" not in texts["Abort"], "abort always wins"
    assert texts["Override"].endswith("--expect-generation 7 --override --reason 'WHY'")
    assert texts["Certify"] == "stagegate rollout certify waste -o waste-3.jsonl"
    assert set(texts) == {
        "Promote", "Approve", "Pause", "Override", "Abort", "Reject", "Certify",
    }  # fmt: skip


def test_a_paused_rollout_can_be_resumed_and_says_who_paused_it():
    page = rollout_page(a_rollout(paused={"by": "bo", "reason": "holiday"}), [], NOW)
    assert page.paused == "Paused by bo: holiday"
    assert "Resume" in {command.name for command in page.commands}


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("live", ["Undo", "Abort", "Certify"]),
        ("retained", ["Certify"]),
        ("rolled-back", ["Start again"]),
        ("expired", ["Start again"]),
        ("rejected", []),
    ],
)
def test_a_rollout_that_ended_offers_only_what_is_possible(stage: str, names: list[str]):
    page = rollout_page(a_rollout(stage=stage), [], NOW)
    assert [command.name for command in page.commands] == names


def test_undo_is_offered_only_where_a_version_would_come_back():
    alone = rollout_page(a_rollout(stage="live", previous=None, returns_to=None), [], NOW)
    (abort, certify) = alone.commands
    assert (abort.name, certify.name) == ("Abort", "Certify")
    assert abort.note == (
        "takes it out; then nothing answers: callers get 503 until another version does"
    )
    page = rollout_page(a_rollout(stage="live"), [], NOW)
    notes = {each.name: each.note for each in page.commands}
    assert notes["Undo"] == "takes it back; then v1 answers everything"


@pytest.mark.parametrize(
    ("live", "then"),
    [
        (2, "v2 answers everything"),
        (None, "nothing answers: callers get 503 until another version does"),
    ],
)
def test_abort_says_who_answers_then(live: int | None, then: str):
    page = rollout_page(a_rollout(live=live), [], NOW)
    assert {each.name: each.note for each in page.commands}["Abort"] == f"always wins; then {then}"


def test_a_live_version_does_not_hold():
    over = rollout_page(a_rollout(stage="live"), [], NOW)
    assert (over.decision.text, over.decision_reasons) == ("nothing is decided any more", ())
    until = (NOW + timedelta(days=7)).isoformat()
    why = "waste@3 is live; harm takes it back until then"
    watched = a_rollout(
        stage="live", watched_until=until, decision={"action": "hold", "reasons": [why]}
    )
    page = rollout_page(watched, [], NOW)
    assert page.decision.text == "watched until 2026-11-30 12:00:00 UTC"
    assert (page.reasons_title, page.decision_reasons) == ("What is decided", (why,))
    harmed = watched | {"decision": {"action": "roll-back", "reasons": ["harm"]}}
    assert rollout_page(harmed, [], NOW).reasons_title == "Why it rolls back"


_ON_EVIDENCE = (
    a_promotion(1, "manual-review", "limited-scope"),
    a_promotion(2, "limited-scope", "gradual"),
    a_promotion(3, "gradual", "gradual 1"),
)


def test_the_way_shows_what_is_done_and_what_is_ahead():
    page = rollout_page(a_rollout(), _ON_EVIDENCE, NOW)
    assert [place.state for place in page.way] == ["done", "done", "here", "ahead"]
    assert [step.state for step in page.steps] == ["done", "here", "ahead"]
    assert rollout_page(a_rollout(stage="rolled-back"), _ON_EVIDENCE, NOW).way == ()


def test_the_steps_of_a_version_that_became_live_on_evidence_are_done():
    more = (a_promotion(4, "gradual 1", "gradual 2"), a_promotion(5, "gradual 2", "live"))
    page = rollout_page(a_rollout(stage="live", step=0), (*_ON_EVIDENCE, *more), NOW)
    assert [place.state for place in page.way] == ["done", "done", "done", "here"]
    assert {step.state for step in page.steps} == {"done"}


def test_what_was_overridden_is_not_done_and_says_by_whom_and_why():
    hurry = {"action": "overridden", "actor": "bo", "reason": "the fair begins"}
    history = (
        a_promotion(1, "gradual", "gradual 1"),
        a_promotion(2, "gradual 1", "live", **hurry),
        a_promotion(3, "gradual", "live", rollout_id="an older one"),
    )
    live = a_rollout(stage="live", stages=["gradual", "live"], step=0)
    page = rollout_page(live, history, NOW)
    why = "overridden by bo: the fair begins"
    assert [(place.text, place.state, place.note) for place in page.way] == [
        ("gradual", "overridden", why),
        ("live", "here", ""),
    ]
    assert [(step.state, step.note) for step in page.steps] == [
        ("done", ""), ("overridden", why), ("overridden", why),
    ]  # fmt: skip


def test_what_no_event_tells_of_is_not_said_to_be_done():
    page = rollout_page(a_rollout(), [], NOW)
    assert [place.state for place in page.way] == ["left", "left", "here", "ahead"]


def test_what_moved_most_comes_first():
    page = drift_page(a_drift(), NOW)
    assert page.tests[0].feature == "brightness"
    assert [plot.moved for plot in page.plots] == [True, False, False, False, False]


def test_the_share_out_of_domain_comes_with_what_would_be_usual_and_how_fine_that_is():
    assert drift_page(a_drift(), NOW).out_of_domain == (
        "6 of 500 inputs (1.2 %) are out of domain; 1 % would be usual."
    )
    numbers = {"flagged": 118, "rows": 118, "ratio": 1.0, "expected": 1 / 91, "finest_of": 90}
    assert drift_page(a_drift(out_of_domain=numbers), NOW).out_of_domain == (
        "118 of 118 inputs (100 %) are out of domain; 1.1 % would be usual, the finest that 90 "
        "held-out inputs allow."
    )


def test_the_small_print_of_an_alarm_stands_apart_from_its_sentence():
    notes = ["How sure the alarm is: very.", "The 90 inputs were picked."]
    assert drift_page(a_drift(notes=notes), NOW).notes == tuple(notes)
    assert drift_page(a_drift(), NOW).notes == ()


def test_a_long_list_of_features_is_cut_and_says_so():
    features = [dict(a_drift()["features"][0], name=f"f{n}") for n in range(MOST_PLOTS + 3)]
    assert drift_page(a_drift(features=features), NOW).plots_left_out == 3


def test_without_enough_inputs_nothing_counts_as_quiet():
    page = drift_page(a_drift(tests=[], alarm=False, sentence="12 inputs"), NOW)
    assert page.alarm.text == "not measured"


def test_a_histogram_keeps_every_count():
    counts = list(range(64))
    assert sum(grouped(counts)) == sum(counts)
    assert len(grouped(counts)) == 16
    assert grouped([]) == []


def test_bars_stay_inside_the_drawing_and_equal_shares_lie_where_they_were():
    feature = {"name": "x", "edges": [0, 1, 2], "reference": [30, 10], "window": [3, 1]}
    drawing = plot(feature, moved=False)
    assert drawing.summary == "0 % lies elsewhere than in the reference"
    for bar in drawing.bars:
        assert 0 <= float(bar.y) <= HEIGHT
        assert float(bar.x) + float(bar.width) <= WIDTH


def test_what_lies_beyond_the_edges_is_drawn():
    feature = {"name": "x", "edges": [0, 1], "reference": [10], "window": [0]}
    outside = {"reference_outside": [0, 0, 0], "window_outside": [0, 0, 5]}
    assert plot(feature | outside, moved=True).summary.startswith("100 %")


def test_an_empty_window_is_no_division_by_zero():
    assert plot({"name": "x", "reference": [1], "window": [0]}, moved=False).summary == (
        "nothing in the window"
    )


def test_open_alarms_in_a_row_are_one_alert_since_the_first():
    page = overview_page({"models": [a_model()]}, {"rollouts": []}, {}, [a_drift()], NOW)
    assert [alert.since.text for alert in page.alerts] == ["31 min ago"]


def test_a_cleared_alarm_is_no_alert():
    history = [{"at": ago(minutes=1), "alarm": False, "sentence": "quiet"}, *a_drift()["history"]]
    page = overview_page({"models": []}, {}, {}, [a_drift(history=history)], NOW)
    assert page.alerts == ()


def test_a_rollout_that_ended_is_no_candidate():
    rollouts = {"rollouts": [a_rollout(stage="rolled-back")]}
    page = overview_page({"models": [a_model()]}, rollouts, {}, [], NOW)
    assert page.models[0].candidate is None
    assert page.models[0].rollout_url == "/rollouts/waste"


def test_versions_are_listed_from_the_newest_with_what_they_were_made_with():
    page = model_page(a_model(), NOW)
    assert [version.name for version in page.versions] == ["v3", "v2"]
    assert [name for name, _ in page.versions[0].environment[:3]] == ["python", "torch", "fastai"]
    assert page.versions[0].labels == ", ".join(LABELS)
    assert page.versions[0].parity.text == "✓ same answers"
    assert page.versions[0].parity_text == "largest difference 4.8e-06 in 1 check"
    assert page.versions[0].parity_checks[0].rows == "64"


def test_an_unknown_version_of_fastai_is_said_to_be_unknown():
    page = model_page(a_model(versions=[a_version(environment={"python": "3.11"})]), NOW)
    assert ("fastai", "not recorded") in page.versions[0].environment


def test_a_failed_or_missing_parity_is_no_parity():
    def told(parity: dict[str, Any]):
        return model_page(a_model(versions=[a_version(parity=parity)]), NOW).versions[0].parity.text

    assert told({"passed": False, "max_abs_diff": 0.2, "checks": []}) == "✗ differs"
    assert told({}) == "not measured"


def test_calibration_is_told_only_as_far_as_it_is_known():
    def told(**fields: Any):
        return model_page(a_model(versions=[a_version(**fields)]), NOW).versions[0].out_of_domain

    assert told() == "not recorded"
    assert "no held-out data" in told(out_of_domain=None)
    assert told(out_of_domain={"calibration_rows": 400, "minimum_level": 0.005}) == (
        "calibrated on 400 held-out inputs; can flag down to 0.5 %"
    )


def test_an_empty_queue_has_no_oldest_item():
    assert queue({"open": 0, "oldest_seconds": 0.0}).oldest == "—"
    assert queue({"open": 2, "oldest_seconds": 200.0}).oldest == "3 min"


def test_an_item_past_its_due_time_is_late_until_it_is_decided():
    late = an_item(1, due_at=ago(minutes=1))
    page = queues_page({}, [late, late | {"state": "decided"}], (), "open", NOW)
    assert [item.overdue for item in page.items] == [True, False]


def test_a_free_item_names_no_holder():
    free = an_item(1, holder="bo", state="ready")
    assert queues_page({}, [free], (), "open", NOW).items[0].holder == ""


def test_the_newest_event_comes_first():
    page = audit_page({"events": [an_event(1), an_event(2)]}, None, [], "", NOW)
    assert [event.sequence for event in page.events] == ["2", "1"]
    assert page.events[0].short_hash == "029b9b9b9b"
    assert page.events[0].told == ("from limited-scope to gradual",)


@pytest.mark.parametrize(("intact", "text"), [(True, "✓ intact"), (False, "✗ broken")])
def test_the_state_of_the_chain_is_told(intact: bool, text: str):
    assert audit_page({}, {"intact": intact}, [], "", NOW).chain.text == text
    assert audit_page({}, None, [], "", NOW).chain.text == "not checked"


def test_the_chart_of_a_gate_stands_with_it_and_says_in_words_what_it_shows():
    page = rollout_page(a_rollout(), [], NOW, the_readings())
    whole, segment, drift = page.gates
    assert whole.chart.summary.startswith(
        "Evidence of the gate error rate over 30 h: for promotion"
    )
    assert segment.chart.summary.endswith("for promotion 0 % of what is needed, of harm 112 % of "
    "what is needed")  # fmt: skip
    assert drift.chart is None
    ((stage, (before,)),) = page.earlier
    assert (stage, before.last) == ("limited scope", "2026-11-23 12:00")


def test_a_line_reaches_its_threshold_exactly_where_the_evidence_does():
    points = [[ago(hours=2), "inconclusive", 0.0, None], [ago(hours=1), "passed", 1.0, None]]
    found = charts({"stages": [{"stage": "gradual", "gates": [a_series(points=points)]}]},
                   "gradual", NOW)  # fmt: skip
    chart = found["error-rate", "", 0]
    assert chart.for_pass.split() == [
        f"0.0,{chart.zero_y}", f"160.0,{chart.zero_y}", f"160.0,{chart.threshold_y}",
        f"320.0,{chart.threshold_y}",
    ]  # fmt: skip
    assert chart.for_harm == ""


def test_gates_of_one_type_and_segment_have_charts_of_their_own():
    gates = [a_gate(), a_gate()]
    assert [chart_key(each, gates[:place])[2] for place, each in enumerate(gates)] == [0, 1]


def test_a_gate_that_makes_no_bet_has_no_chart():
    drift = a_series(type="drift", points=[[ago(hours=1), "passed", None, None]])
    assert charts({"stages": [{"stage": "gradual", "gates": [drift]}]}, "gradual", NOW) == {}
    assert charts({}, "gradual", NOW) == {}


def test_a_deadline_is_told_with_what_it_does():
    page = rollout_page(a_rollout(), [], NOW)
    assert page.deadline == (
        "Deadline in 3 days (2026-11-26 14:00:00 UTC): if nobody acts, it is paused where it is."
    )
    assert rollout_page(a_rollout(deadline=None), [], NOW).deadline == ""


def test_a_gate_says_how_many_labels_it_still_needs():
    assert gate(a_gate()).needs == "about 130 more"
    assert gate(a_gate(verdict="passed")).needs == ""


def test_an_event_is_told_in_sentences_and_nothing_that_it_holds_is_lost():
    detail = {
        "from": {"stage": "manual-review", "step": 0, "weight": 0},
        "to": {"stage": "gradual", "step": 0, "weight": 5.0},
        "reason": "the fair begins tomorrow",
        "unmet": ["gold: 0 items"],
        "approvals": ["cleo"],
        "gates": [a_gate(verdict="passed", sentence="error rate: fine")],
        "generation": 3,
        "log": {"digest": "sha256:1", "rows": 90},
        "nothing": None,
    }
    (event,) = events([an_event(1, detail=detail)], NOW)
    assert event.told == (
        "from manual review to gradual at 5 %", "the fair begins tomorrow",
        "missing was: gold: 0 items", "approved by cleo", "✓ error rate: fine",
    )  # fmt: skip
    assert event.rest == (("generation", "3"), ("log", "digest sha256:1, rows 90"))


def test_an_approval_is_offered_only_while_one_is_missing():
    given = a_rollout(approvals={"needed": 1, "given": ["bo"]})
    assert "Approve" not in {command.name for command in rollout_page(given, [], NOW).commands}


def test_each_answer_is_replayed_as_its_reviewer_saw_it():
    page = item_history_page(a_history(), NOW)
    first, second, lead = page.screens
    assert (first.answer, first.model_answer) == ("metal", "not in sight")
    assert [label for label, chosen in first.labels if chosen] == ["metal"]
    assert [label for label, _ in first.labels] == [*LABELS, "none of these"]
    assert (second.answer, second.model_answer) == ("glass", "in sight: glass")
    assert (first.exact.tone, lead.exact.tone) == ("good", "bad")
    assert lead.answer == "none of these"
    assert ("Others", "what others had said was in sight") in lead.facts
    assert dict(lead.facts)["Page"].startswith("none")


def test_a_history_tells_who_did_what_in_words():
    page = item_history_page(a_history(), NOW)
    asked, taken, answered, *_, settled = page.entries
    assert "confidence 0.58 is below 0.70" in asked.detail
    assert (taken.actor, taken.action) == ("ada", "took it")
    assert "until 2026-11-23 12:02:00 UTC" in taken.detail
    assert "the model's answer after the reviewer's own" in taken.detail
    assert (answered.label, answered.detail) == ("metal", ("after 8 s",))
    assert (settled.action, settled.label) == ("settled", "glass")


def test_what_may_sway_somebody_stays_hidden_in_a_history():
    hidden = a_decision(1, "ada", "metal")
    del hidden["label"]
    page = item_history_page(a_history(decisions=[hidden], outcome=None, gold=None), NOW)
    (screen,) = page.screens
    assert (screen.answer, page.outcome) == ("hidden until the item is settled", "")
    assert not any(chosen for _, chosen in screen.labels)


def test_reviewers_are_shown_with_intervals_and_gold_to_leads_only():
    ada, new = people_page(the_people(), lead=True).people
    assert (ada.decisions, ada.per_hour, ada.seconds) == ("1,234", "57", "8 s")
    assert (ada.agreed.text, ada.agreed.between) == ("91.0 %", "87.0 % to 95.0 %")
    assert ada.gold is not None
    assert ada.gold.text == "93.0 %"
    assert (new.kappa, new.seconds, new.overturned.text) == ("—", "—", "—")
    mine = people_page({"people": [a_person()]}, lead=False)
    assert (mine.gold, mine.people[0].gold) == (False, None)


def test_each_queue_of_a_model_has_a_row():
    row = queue_row(a_queue())
    assert (row.waiting, row.oldest, row.due_within_hour) == ("1,200", "1 h 30 min", "31")
    assert (row.fallback.text, row.gold.text) == ("2.0 %", "—")


def test_accuracy_is_told_with_its_interval_and_beside_the_naive_share():
    first, second = quality_rows(a_quality())
    assert (first.name, first.best_guess.text) == ("v3", "95.5 %")
    assert first.best_guess.between == "92.5 % to 98.5 %"
    assert (first.naive.text, first.weighted.text) == ("79.0 %", "94.0 %")
    assert (first.bounds, first.agreed) == ("90.0 % to 96.0 %", "36 of 40")
    assert (second.best_guess.text, second.bounds, second.kappa) == ("—", "—", "—")
    assert [one.name for one in quality_rows(a_quality(), (2,))] == ["v2"]
