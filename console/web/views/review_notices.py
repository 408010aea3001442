"""What became of a reviewer's last answer, in words, and how to take it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import mapping, parse_time, percent, sequence


@dataclass(frozen=True, slots=True)
class Change:
    """A label that the last answer can be changed to; `given`: it is that answer."""

    key: str
    label: str
    given: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take the last answer back, or to change it, and for how long.

    fields: what the forms send along. agree_with: the model's label. given: the answer in words.
    changes: the labels that there are, without "none of these".
    """

    url: str
    fields: tuple[tuple[str, str], ...]
    seconds: str
    agree_url: str = ""
    agree_with: str = ""
    correct_url: str = ""
    given: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def none_given(self) -> bool:
        """Whether the answer was that none of the labels fits."""
        return not any(change.given for change in self.changes)


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of the last answer; bad news is told loudly."""

    text: str
    tone: str = "good"
    detail: str = ""
    undo: Undo | None = None


def saved(answer: Mapping[str, Any], presentation: str, now: datetime, key: str) -> Notice:
    """What to say after an answer was stored; a blind item never reveals the model's.

    key: new for each notice, so that to change an answer back and forth is no repetition.
    """
    said = quoted(answer.get("label"))
    if not answer.get("counted", True):
        return Notice(
            f"Your answer {said} was kept, but it did not count.",
            "warn",
            "Someone else had taken the item.",
        )
    text = f"Saved: {said}."
    model_answer = mapping(answer.get("model_answer"))
    if presentation == "blind" or not model_answer.get("prediction"):
        return Notice(text, undo=_undo(answer, now, key))
    label = str(model_answer["prediction"])
    share = mapping(model_answer.get("probabilities")).get(label)
    model_said = f"The model said “{label}”" + (f" ({percent(share)})" if share is not None else "")
    if answer.get("agrees"):
        return Notice(text, "good", f"{model_said}: you agree.", _undo(answer, now, key))
    undo = _undo(answer, now, key, agree_with=label)
    return Notice(text, "differs", f"{model_said}: you differ.", undo)


def saved_all(key: str, answers: Sequence[Mapping[str, Any]], now: datetime) -> Notice:
    """What to say after one answer to many; all of it can be undone, or nothing."""
    seconds = min((_left(answer.get("undo_until"), now) for answer in answers), default=0.0)
    undo = Undo("/review/bulk/undo", (("idempotency_key", key),), f"{seconds:.1f}")
    text = f"Saved: {quoted(answers[0].get('label'))} for {len(answers)} items."
    return Notice(text, undo=undo if seconds > 0 else None)


def _undo(answer: Mapping[str, Any], now: datetime, key: str, agree_with: str = "") -> Undo | None:
    seconds = _left(answer.get("undo_until"), now)
    if seconds <= 0:
        return None
    path = f"/review/{quote(str(answer['id']), safe='')}"
    fields = (("epoch", str(answer["epoch"])), ("idempotency_key", key))
    return Undo(
        f"{path}/undo",
        fields,
        f"{seconds:.1f}",
        f"{path}/agree" if agree_with else "",
        agree_with,
        "" if answer.get("several") else f"{path}/correct",  # its labels are ticked: undo brings it
        quoted(answer.get("label")),
        tuple(
            Change(str(place) if place <= 9 else "", str(label), label == answer.get("label"))
            for place, label in enumerate(sequence(answer.get("labels")), start=1)
        ),
    )


def _left(until: object, now: datetime) -> float:
    end = parse_time(until)
    return 0.0 if end is None else (end - now).total_seconds()


def not_counted(label: str | None, why: str) -> Notice:
    """What to say when the answer came too late."""
    return Notice(f"Your answer {quoted(label)} did not count.", "bad", why)


def skipped(reason: str) -> Notice:
    """What to say after a skip."""
    return Notice("Skipped.", "plain", f"Reason: {reason.rstrip('.')}.")


def escalated(reason: str) -> Notice:
    """What to say after an item was passed on to a lead."""
    return Notice("Passed on to a lead.", "plain", f"Reason: {reason.rstrip('.')}.")


def put_aside(answer: Mapping[str, Any]) -> Notice:
    """What to say after a snooze."""
    end = parse_time(answer.get("until"))
    return Notice("Put aside.", "plain", f"It comes back at {end:%H:%M} UTC." if end else "")


def quoted(label: object) -> str:
    """A label as a sentence names it."""
    return "“none of these”" if label is None else f"“{label}”"
