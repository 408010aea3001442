"""What can be done with a rollout, as the exact commands to type."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

from console.web.views.formatting import mapping, sequence, words

CANDIDATE = ("manual-review", "limited-scope", "gradual")
_PROMOTED = ("limited-scope", "gradual", "live", "retained")


@dataclass(frozen=True, slots=True)
class Command:
    """What to type for an action."""

    name: str
    text: str
    note: str


def commands(document: Mapping[str, Any]) -> tuple[Command, ...]:
    """Everything that is possible where the rollout stands; the likeliest first."""
    stage = str(document.get("stage"))
    if stage in CANDIDATE:
        return tuple(_of_candidate(document))
    return tuple(_of_ended(document, stage))


def _of_candidate(document: Mapping[str, Any]) -> Iterator[Command]:
    seen = _seen(document)
    promote = f"{_rollout(document, 'promote')} {seen}"
    if document.get("paused"):
        yield Command("Resume", f"{_rollout(document, 'resume')} {seen}", "lets it go on")
    else:
        yield Command("Promote", promote, _where(document))
        yield from _approve(document)
        yield Command("Pause", f"{_rollout(document, 'pause')} {seen}", "keeps it where it is")
        if mapping(document.get("decision")).get("action") != "promote":
            text = f"{promote} --override --reason 'WHY'"
            yield Command("Override", text, "goes on without the evidence; the log keeps why")
    then = _answers(document.get("live"))
    yield Command("Abort", _rollout(document, "abort"), f"always wins; then {then}")
    text = f"{_rollout(document, 'abort')} --reject"
    yield Command("Reject", text, "the same, and this version is never tried again")
    yield from _certify(document)


def _of_ended(document: Mapping[str, Any], stage: str) -> Iterator[Command]:
    if stage == "live":
        before = document.get("returns_to")
        then = _answers(before)
        if before is not None:
            text = f"{_rollout(document, 'undo')} {_seen(document)}"
            yield Command("Undo", text, f"takes it back; then {then}")
        yield Command("Abort", _rollout(document, "abort"), f"takes it out; then {then}")
    elif stage in ("rolled-back", "expired"):
        yield Command("Start again", "stagegate rollout start PLAN", "from the first stage")
    yield from _certify(document)


def _approve(document: Mapping[str, Any]) -> Iterator[Command]:
    evidence, approvals = document.get("evidence_digest"), mapping(document.get("approvals"))
    if evidence and len(sequence(approvals.get("given"))) < int(approvals.get("needed") or 0):
        text = f"{_rollout(document, 'approve')} --evidence {evidence}"
        yield Command("Approve", text, "this evidence only")


def _certify(document: Mapping[str, Any]) -> Iterator[Command]:
    stage, model = str(document.get("stage")), str(document["model"])
    if stage in _PROMOTED:
        file = quote(f"{model}-{document.get('version')}.jsonl")
        text = f"{_rollout(document, 'certify')} -o {file}"
        yield Command("Certify", text, "writes what its promotions were judged on")


def _answers(version: object) -> str:
    """Who answers once the version of a rollout does not."""
    if version is None:
        return "nothing answers: callers get 503 until another version does"
    return f"v{version} answers everything"


def _seen(document: Mapping[str, Any]) -> str:
    """So that it is refused if somebody else was first; abort alone always wins."""
    return f"--expect-generation {document.get('generation')}"


def _rollout(document: Mapping[str, Any], verb: str) -> str:
    return f"stagegate rollout {verb} {quote(str(document['model']))}"


def _where(document: Mapping[str, Any]) -> str:
    steps, after = sequence(document.get("steps")), int(document.get("step") or 0) + 1
    if document.get("stage") == "gradual" and after < len(steps):
        to = f"to {steps[after]['weight']:g} %"
    else:
        to = f"to {words(document['next'])}" if document.get("next") else "to the next stage"
    ready = mapping(document.get("decision")).get("action") == "promote"
    return to if ready else f"{to}; refused while anything is missing"
