"""An item's story in order, for each way in which it can end."""

from dataclasses import replace
from datetime import timedelta

from serving_fakes import NOW, a_prediction, a_raw, an_item

from serving.domain.opinions import Event, Opinion
from serving.domain.prediction import DecidedBy, Label, Status
from serving.domain.replay import replay
from serving.domain.review import ItemState, Presentation, Queue, Source, presented, seen_digest
from serving.domain.timeline import timeline

LATER = NOW + timedelta(minutes=1)


def an_opinion(**changes: object) -> Opinion:
    item = an_item(0)
    how = presented(item.presentation, 1, Queue.WORK)
    seen = seen_digest(item, how, None, informed=False)
    opinion = Opinion(
        1, item.id, 1, Queue.WORK, "ann", 1, "metal", "", True, False, None, None, 4.0, seen,
        "key", LATER,
    )  # fmt: skip
    return replace(opinion, **changes)


def actions(*args: object) -> list[str]:
    return [entry.action for entry in timeline(*args)]  # type: ignore[arg-type]


def test_a_caller_who_gave_up_and_an_item_that_nobody_needs():
    item = an_item(0, state=ItemState.CANCELLED, decided_at=LATER)
    gone = a_prediction(0, status=Status.CANCELLED, final_at=LATER)
    assert actions(item, (), (), gone) == ["asked", "cancelled", "gave up"]


def test_a_deadline_without_an_answer_says_so():
    late = a_prediction(
        0, status=Status.FINAL, decided_by=DecidedBy.FALLBACK, answer=Label(None), final_at=LATER
    )
    assert actions(an_item(0), (), (), late) == ["asked", "told the caller that there is no answer"]


def test_a_request_that_nobody_held_tells_nothing_of_its_caller():
    told = a_prediction(0, due_at=None, final_at=NOW, answer=a_raw().as_label())
    assert actions(an_item(0), (), (), told) == ["asked"]


def test_what_comes_too_late_is_told_as_such_and_words_are_private():
    extra = an_opinion(counted=False, comment="metal, I bet")
    comment = Event(NOW, "bob", "comment", {"text": "surely metal"})
    item = an_item(0, state=ItemState.DECIDED, outcome=Label("glass", 0), decided_at=LATER)
    _, said, late, settled = timeline(replace(item, source=Source.SINGLE), [extra], [comment], None)
    assert late.action == "answered too late, kept as an extra opinion"
    assert (said.is_private, late.is_private, late.has_label) == (True, True, True)
    assert (settled.said, settled.detail) == ("glass", {"source": "single"})


def test_a_screen_is_exact_only_with_the_page_and_everything_on_it():
    item = an_item(0)
    assert replay(item, an_opinion()).is_exact
    assert not replay(item, an_opinion(page="rev1")).is_exact
    assert not replay(item, an_opinion(informed=True)).is_exact
    assert not replay(replace(item, labels=item.labels[::-1]), an_opinion()).is_exact
    assert not replay(replace(item, several=True), an_opinion()).is_exact


def test_whoever_checks_an_answer_that_was_shown_does_not_see_it():
    shown = Presentation.SHOWN
    assert presented(shown, 1, Queue.WORK) is shown
    assert presented(shown, 2, Queue.WORK) is Presentation.BLIND
    assert presented(shown, 1, Queue.LEAD) is Presentation.BLIND
    assert presented(Presentation.ANSWER_FIRST, 2, Queue.WORK) is Presentation.ANSWER_FIRST


def test_a_persons_answer_and_an_amended_fallback_are_told_to_the_caller():
    person = a_prediction(0, status=Status.FINAL, decided_by=DecidedBy.HUMAN, final_at=LATER)
    assert actions(an_item(0), (), (), person) == ["asked", "answered the caller"]
    label = a_raw("paper").as_label()
    fallback = {"decided_by": DecidedBy.BASELINE, "answer": label, "final_at": NOW}
    changed = {"amended": Label("metal", 1), "amended_at": LATER}
    amended = a_prediction(0, status=Status.FINAL, **fallback, **changed)
    *_, first, last = timeline(an_item(0), (), (), amended)
    assert (first.action, first.said) == ("gave the caller the fallback", "paper")
    assert (last.action, last.said) == ("amended what the caller was told", "metal")
    waiting = a_prediction(0, final_at=None)
    assert actions(an_item(0), [an_opinion(supersedes=1)], (), waiting) == ["asked", "corrected"]
