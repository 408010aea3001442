"""Rollout documents as text for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from console.cli.session import Colour, JsonDocument, paint, table
from registry.domain.stages import ACTIVE

_COLOURS: dict[str, Colour] = {
    "passed": "green", "failed": "red", "stale": "yellow", "inconclusive": "yellow",
}  # fmt: skip


def name(document: JsonDocument) -> str:
    """`model@version`."""
    return f"{document['model']}@{document['version']}"


def overview(document: JsonDocument) -> str:
    """Where the rollout stands, its gates, and what the next promotion needs."""
    lines = [f"{name(document)}: {place(document)}  (generation {document['generation']})"]
    if document["paused"]:
        stop = document["paused"]
        lines.append(paint(f"  paused by {stop['by']}: {stop['reason']}", "yellow"))
    lines.append(f"  live: {document['live'] or 'none'}, before it: {document['previous'] or '-'}")
    lines += [f"  {gate}" for gate in gates(document)]
    approvals = document.get("approvals")
    if approvals and approvals["needed"]:
        given = ", ".join(approvals["given"]) or "none yet"
        lines.append(f"  approvals: {approvals['needed']} needed, given: {given}")
    if document.get("evidence_digest"):
        lines.append(f"  evidence: {document['evidence_digest']}")
    if document.get("next"):
        lines.append(f"  next: {_next(document)}")
    return "\n".join(lines)


def standing(document: JsonDocument, word: str) -> str:
    """How it stands in one word, and where unless the word says that."""
    where = place(document)
    return f"{name(document)} is {word}{'' if where == word else f' ({where})'}."


def reasons(document: JsonDocument) -> str:
    """What each gate found, and why the rollout goes on or waits."""
    decision = document.get("decision") or {"action": "none", "reasons": []}
    why = decision["reasons"]
    if document["stage"] not in ACTIVE and decision["action"] == "hold":
        return "\n".join([*(f"{reason}." for reason in why), *_if_taken_back(document)])
    lines = [f"{name(document)} is in {place(document)}.", *gates(document)]
    lines.append(f"Decision: {decision['action']}.")
    return "\n".join([*lines, *(f"  - {reason}" for reason in why)])


def _if_taken_back(document: JsonDocument) -> list[str]:
    """Of a live version: what its gates found under watch, and who answers if it goes."""
    if document["stage"] != "live":
        return []
    to = document.get("returns_to")
    then = f"version {to} answers again" if to else "no version answers"
    return [*gates(document), f"If it is taken back, {then}."]


def gates(document: JsonDocument) -> list[str]:
    """One line for each gate: its verdict, its type and its sentence."""
    return [
        f"[{paint(gate['verdict'], _COLOURS.get(gate['verdict'], 'cyan'))}] "
        f"{gate['type']}{_segment(gate)}{decides(gate)}: "
        f"{gate['sentence']}"
        for gate in document["gates"]
    ]


def decides(gate: JsonDocument) -> str:
    """What a gate does when it fails, unless it takes the version back."""
    if gate.get("dry_run"):
        return " (dry run)"
    return " (pauses)" if gate.get("then") == "pause" else ""


def problems(plan: Path, found: Sequence[JsonDocument], notes: Sequence[str]) -> str:
    """`file:line: message` for each problem of a plan, then what could not be looked at."""
    lines = [f"{plan}:{one['line'] or 1}: {one['message']}" for one in found]
    lines = lines or [f"{plan}: no problem found."]
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])


def preview(document: JsonDocument) -> str:
    """What a plan would change, cost and lead to."""
    lines = [f"{document['standing']}.", f"{document['traffic']}."]
    lines += [paint(f"It cannot start now: {why}", "red") for why in document["objections"]]
    other = document["compared_with"]
    if other:
        lines.append(f"Against the plan of {other}:")
        lines += [f"  - {one}" for one in document["differences"]] or ["  - no difference"]
    for stage in document["stages"]:
        lines.append(paint(f"{stage['stage']}: {stage['exposure']}.", "cyan"))
        lines += [f"  - {gate['sentence']}" for gate in stage["gates"]]
        lines += [f"  - {stage['deadline']}"] if stage["deadline"] else []
    return "\n".join(lines)


def events(found: Sequence[JsonDocument]) -> str:
    """The audit log as a table."""
    if not found:
        return "Nothing has happened to it yet."
    rows: list[tuple[object, ...]] = [
        (
            event["sequence"], event["at"][:19].replace("T", " "), after, event["actor"],
            event["version"], event["hash"].removeprefix("sha256:")[:12], event_line(event),
        )
        for event, after in zip(found, _after(found), strict=True)
    ]  # fmt: skip
    return table(("#", "when (UTC)", "after", "who", "version", "hash", "what"), rows)


def _after(found: Sequence[JsonDocument]) -> Iterator[str]:
    """How long after the event of the same rollout before it, such as the wait for an approval."""
    from registry.domain.decision import spoken

    last: dict[str, datetime] = {}
    for event in found:
        at, rollout = datetime.fromisoformat(event["at"]), event["rollout_id"]
        before = last.get(rollout)
        yield spoken((at - before).total_seconds()) if before and at > before else ""
        if rollout:
            last[rollout] = at


def event_line(event: JsonDocument) -> str:
    """One event of the audit log in a few words."""
    detail = event["detail"]
    to, why = detail.get("to"), detail.get("reason") or detail.get("sentence") or ""
    where = f" to {place(to)}" if isinstance(to, dict) and "stage" in to else ""
    return f"{event['action']}{where}{f': {why}' if why else ''}"


def certified(said: JsonDocument) -> str:
    """Where a certificate is, and what to keep to check it by."""
    head = said["audit_head"]
    return (
        f"{said['file']}: {said['digest']}\n"
        f"The audit log ended with event {head['sequence']}, {head['hash']}: keep this hash apart."
    )


def verified(statements: Sequence[str]) -> str:
    """What may be concluded from a certificate that holds."""
    return "\n".join(
        [paint("The certificate holds.", "green"), *(f"- {one}" for one in statements)]
    )


def place(document: JsonDocument) -> str:
    """The stage, and in gradual its weight."""
    if document["stage"] != "gradual":
        return stage_words(document)
    return f"gradual at {document['weight']:g} %"


def stage_words(document: JsonDocument) -> str:
    """The stage as it reads in a sentence."""
    return str(document["stage"]).replace("-", " ")


def _next(document: JsonDocument) -> str:
    if document["next"] != "gradual":
        return str(document["next"]).replace("-", " ")
    step = document["step"] + 1 if document["stage"] == "gradual" else 0
    return f"gradual at {document['steps'][step]['weight']:g} %"


def _segment(gate: JsonDocument) -> str:
    return f" [{gate['segment']}]" if gate.get("segment") else ""
