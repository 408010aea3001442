"""The live picture of a rollout: drawn in place on a terminal, line by line elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from console.cli import rollout_text as text
from console.cli.session import JsonDocument
from registry.domain.errors import Unavailable
from registry.domain.stages import ACTIVE

if TYPE_CHECKING:
    from rich.console import Console, Group

POLL_SECONDS = 2.0
EVENTS = 5
_BAR = 16
_COLOURS = {"passed": "green", "failed": "red", "stale": "yellow", "inconclusive": "yellow"}
_SIGNS = {"passed": "✓", "failed": "✗", "stale": "↻", "inconclusive": "…"}

# A rollout document and the last events of its model.
Look = Callable[[], tuple[JsonDocument, Sequence[JsonDocument]]]


def watch(
    look: Look,
    console: "Console",
    wait: Callable[[float], None] = time.sleep,
    line: Callable[[JsonDocument], str] | None = None,
) -> None:
    """Show where a rollout stands until it has ended, or Ctrl-C.

    line: what to print on each change where there is no terminal, or where programs read.
    """
    try:
        if console.is_terminal and line is None:
            _draw(look, console, wait)
        else:
            _print(look, console, wait, line or _line)
    except KeyboardInterrupt:
        return


def picture(
    document: JsonDocument, events: Sequence[JsonDocument], now: datetime, trouble: str = ""
) -> "Group":
    """Stage, weight, each gate on its way to its threshold, what is missing, and what happened."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    gates = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    gates.add_column()
    gates.add_column(no_wrap=True)
    gates.add_column(ratio=1)
    for gate in document["gates"]:
        gates.add_row(*_gate(gate))
    log = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    for event in list(events)[-EVENTS:]:
        log.add_row(Text(_ago(event["at"], now), "dim"), event["actor"], text.event_line(event))
    parts: list[Any] = [Text(one, style) for one, style in _head(document, now)]
    parts += [Text(), gates] if document["gates"] else []
    parts += [Text(f"  - {one}") for one in (document.get("decision") or {}).get("reasons", ())]
    parts += [Text(), log, Text("Ctrl-C ends the picture, not the rollout.", "dim")]
    return Group(*parts, *([Text(trouble, "red")] if trouble else []))


def over(document: JsonDocument) -> bool:
    """Whether nothing more will happen to the rollout by itself."""
    return document["stage"] not in ACTIVE and not document.get("watched_until")


def _draw(look: Look, console: "Console", wait: Callable[[float], None]) -> None:
    from rich.live import Live

    document, events = look()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        trouble = ""
        while True:
            shown = picture(document, events, datetime.now(UTC), trouble)
            live.update(shown, refresh=True)
            if over(document):
                return
            wait(POLL_SECONDS)
            try:
                (document, events), trouble = look(), ""
            except Unavailable as error:
                trouble = f"{error} (trying again)"


def _print(
    look: Look,
    console: "Console",
    wait: Callable[[float], None],
    line: Callable[[JsonDocument], str],
) -> None:
    last = None
    while True:
        document, _ = look()
        said = line(document)
        if said != last:
            console.file.write(f"{said}\n")
            console.file.flush()
            last = said
        if over(document):
            return
        wait(POLL_SECONDS)


def _line(document: JsonDocument) -> str:
    gates = "; ".join(str(gate["sentence"]) for gate in document["gates"])
    paused = f", paused by {document['paused']['by']}" if document["paused"] else ""
    return f"{text.name(document)}: {text.place(document)}{paused}{': ' if gates else ''}{gates}"


def _head(document: JsonDocument, now: datetime) -> Iterator[tuple[str, str]]:
    weight = document["weight"]
    yield f"{text.name(document)}  {text.place(document)}  generation {document['generation']}", "b"
    yield f"  traffic   {_bar(weight / 100)} {weight:g} %{_next_weights(document)}", ""
    if document["paused"]:
        yield f"  paused by {document['paused']['by']}: {document['paused']['reason']}", "yellow"
    if document.get("deadline"):
        deadline = document["deadline"]
        yield f"  deadline  {_ago(deadline['at'], now)}: {deadline['sentence']}", ""
    if document.get("watched_until"):
        yield f"  watched   until {_ago(document['watched_until'], now)}", ""
    approvals = document.get("approvals") or {}
    if approvals.get("needed"):
        given = ", ".join(approvals["given"]) or "none yet"
        yield f"  approvals {len(approvals['given'])} of {approvals['needed']}: {given}", ""


def _next_weights(document: JsonDocument) -> str:
    here = document["step"] if document["stage"] == "gradual" else -1
    ahead = [f"{step['weight']:g} %" for step in document["steps"][here + 1 :]]
    return f", then {', '.join(ahead)}" if ahead and document["stage"] != "live" else ""


def _gate(gate: JsonDocument) -> tuple[Any, ...]:
    from rich.text import Text

    verdict, segment = gate["verdict"], f" {gate['segment']}" if gate.get("segment") else ""
    colour = _COLOURS.get(verdict, "")
    share, more = towards(gate), (gate.get("numbers") or {}).get("more")
    needs = f"about {more} more labels" if verdict == "inconclusive" and more else ""
    return (
        Text(f"  {_SIGNS.get(verdict, '·')} {gate['type']}{segment}{text.decides(gate)}", colour),
        Text("" if share is None else f"{_bar(share)} {100 * share:.0f} %", colour),
        Text(needs or (str(gate["sentence"]) if share is None else verdict)),
    )


def towards(gate: JsonDocument) -> float | None:
    """How far a gate is on its way, from 0 to 1: to harm if it has failed, else to promotion."""
    numbers, side = gate.get("numbers") or {}, "harm" if gate["verdict"] == "failed" else "pass"
    log_e, needed = numbers.get(f"log_e_{side}"), numbers.get(f"log_e_{side}_needed")
    if log_e is None or not needed:
        return None
    return float(min(1.0, max(0.0, log_e / needed)))


def _bar(share: float) -> str:
    full = round(_BAR * min(1.0, max(0.0, share)))
    return "█" * full + "░" * (_BAR - full)


def _ago(moment: str, now: datetime) -> str:
    from registry.domain.decision import spoken

    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    return f"{spoken(seconds)} ago" if seconds >= 0 else f"in {spoken(-seconds)}"
