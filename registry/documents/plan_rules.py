"""What the parts of a plan ask of each other; read from raw data, so that it can be said at once.

A value of the wrong shape is left to the schema: a rule only speaks where it understands.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from registry.documents.plan_yaml import Path
from registry.documents.traffic_rules import traffic_disagreements
from registry.domain.stages import Stage
from registry.domain.watching import silent

_ORDER = [stage.value for stage in (Stage.MANUAL_REVIEW, Stage.LIMITED_SCOPE, Stage.GRADUAL)]
_ORDER.append(Stage.LIVE.value)

# Where verdicts on both versions exist: on the same requests in shadow, on randomised ones later.
_COMPARED_IN = {
    "paired-loss": (Stage.MANUAL_REVIEW.value,),
    "error-ratio": (Stage.MANUAL_REVIEW.value, Stage.GRADUAL.value),
}

# Why an answer is reviewed that may not go out at all, so that it is no evidence.
_WITHHELD = {"out-of-domain", "low-confidence", "model-failed", "no-version"}

Finding = tuple[Path, str]


def disagreements(plan: Any) -> Iterator[Finding]:
    """Where parts of the plan contradict each other, as a path and a sentence."""
    stages = _get(plan, "stages")
    parts = stages if isinstance(stages, list) else []
    yield from _order([_get(part, "stage") for part in parts])
    without_baseline = _get(plan, "model", "baseline") == "none"
    if without_baseline and _get(plan, "flags", "then") == "baseline":
        yield ("flags", "then"), "there is no baseline to answer; write `hold` or `abstain`"
    if _get(plan, "visit") is not None and _get(plan, "unit") is None:
        yield (
            ("visit",),
            "a visit is what one unit asks in a time, and the plan names none; write for example "
            "`unit: user_id`, or leave `visit` out",
        )
    yield from _watch(parts)
    for index, part in enumerate(parts):
        for path, message in _stage(plan, part, without_baseline):
            yield ("stages", index, *path), message


def _order(names: Sequence[Any]) -> Iterator[Finding]:
    known = [(index, name) for index, name in enumerate(names) if name in _ORDER]
    for (_, before), (index, name) in pairwise(known):
        if _ORDER.index(name) <= _ORDER.index(before):
            yield (
                ("stages", index, "stage"),
                f"{name} cannot come after {before}; the order is {', '.join(_ORDER)}, each once",
            )
    if known and all(name == Stage.LIVE.value for _, name in known):
        yield ("stages",), "a plan needs a stage before live; write for example manual-review"


def _watch(parts: Sequence[Any]) -> Iterator[Finding]:
    """A watch needs a gate before it that can find harm in a version that answers everything."""
    if len(parts) < 2 or _get(parts[-1], "watch") is None:
        return
    before = _get(parts[-2], "gates")
    gates = before if isinstance(before, list) else []
    if not gates or any(_finds_harm(gate) for gate in gates if isinstance(gate, Mapping)):
        return
    where = _get(parts[-2], "stage")
    yield (
        ("stages", len(parts) - 1, "watch"),
        f"none of the gates of {where} can find harm once this version answers everything; add one "
        "to them, for example `{type: error-rate, at_most: 0.05}`",
    )


def _finds_harm(gate: Mapping[str, Any]) -> bool:
    name = str(gate.get("type"))
    return name != "drift" and silent(name, gate) is None


def _stage(plan: Any, part: Any, without_baseline: bool) -> Iterator[Finding]:
    if without_baseline and _get(part, "review", "late") == "baseline":
        yield ("review", "late"), "there is no baseline to answer; write `late: abstain`"
    if _get(part, "stage") == Stage.GRADUAL.value and _get(plan, "unit") is None:
        yield (
            ("stage",),
            "gradual gives each caller one version by an attribute of the request, and the plan "
            "names none; write for example `unit: user_id` beside `model`",
        )
    sample = _get(part, "review", "sample")
    if _get(part, "answers") == "after-approval" and isinstance(sample, int | float) and sample < 1:
        yield (
            ("review", "sample"),
            "after-approval means that a person sees every answer; write `sample: 1.0`",
        )
    if _get(part, "stage") == Stage.LIVE.value and _get(part, "watch") and sample == 0:
        yield (
            ("review", "sample"),
            "watching after live needs reviewed answers; write for example `sample: 0.05`",
        )
    for key, message in (*_review(_get(part, "review")), *_gold(part, without_baseline)):
        yield ("review", key), message
    gates = _get(part, "gates")
    for index, gate in enumerate(gates if isinstance(gates, list) else []):
        for key, message in _gate(plan, part, gate, without_baseline):
            yield ("gates", index, key), message


def _gold(part: Any, without_baseline: bool) -> Iterator[tuple[str, str]]:
    """Where nothing is drawn, since a person answers everything, gold hides among blind items."""
    alone = without_baseline and _get(part, "stage") == Stage.MANUAL_REVIEW.value
    if not alone and _get(part, "answers") != "after-approval":
        return
    if _get(part, "review", "gold") and not _get(part, "review", "blind"):
        yield (
            "gold",
            "gold items are always blind, and here nothing else would be, so that reviewers knew "
            "them; write for example `blind: 0.1` beside it",
        )


def _review(review: Any) -> Iterator[tuple[str, str]]:
    if _get(review, "flagged") == 0:
        yield (
            "flagged",
            "never reviewing flagged answers says nothing about them; write `flagged: 1.0`",
        )
    if _get(review, "shown") and not _get(review, "gold"):
        yield (
            "shown",
            "nothing would tell whether reviewers follow the answer that they are shown; write for "
            "example `gold: 0.05` beside it",
        )


def _gate(plan: Any, part: Any, gate: Any, without_baseline: bool) -> Iterator[tuple[str, str]]:
    if _get(gate, "per_segment") is True and not _get(plan, "segments"):
        yield (
            "per_segment",
            "the plan names no segments; write for example `segments: [site]` beside `model`",
        )
    yield from _then(gate)
    yield from traffic_disagreements(plan, part, gate)
    yield from _checked_reviewers(plan, part, gate)
    name, stage = _get(gate, "type"), _get(part, "stage")
    if name not in _COMPARED_IN or stage not in _ORDER:
        return
    if without_baseline:
        yield "type", f"there is no baseline for {name} to compare with; write `error-rate`"
    elif stage not in _COMPARED_IN[name]:
        yield (
            "type",
            f"in {stage} candidate and baseline do not answer requests that can be compared; "
            f"{name} belongs into {' or '.join(_COMPARED_IN[name])}",
        )


def _then(gate: Any) -> Iterator[tuple[str, str]]:
    """A gate that cannot fail, or decides nothing, has nothing to do when it does."""
    name = _get(gate, "type")
    if _get(gate, "then") is None:
        return
    if name in ("agreement", "gold", "drift"):
        yield "then", f"{name} never fails, so nothing would follow; leave `then` out"
    elif _get(gate, "dry_run") is True:
        yield "then", "a dry run decides nothing, so nothing would follow; leave one of them out"


def _checked_reviewers(plan: Any, part: Any, gate: Any) -> Iterator[tuple[str, str]]:
    """Gold items count from the rollout's start, second opinions in the stage they are about."""
    stages = _get(plan, "stages")
    until = stages[: next(i for i, one in enumerate(stages) if one is part) + 1]
    gold = any(_get(one, "review", "gold") for one in until)
    withheld = set() if _get(plan, "flags", "then") == "review" else _WITHHELD
    twice = _more_than_one(_get(part, "review", "opinions"), withheld)
    name = _get(gate, "type")
    if not gold and (name == "gold" or _get(gate, "reviewers") == "gold"):
        yield (
            "type" if name == "gold" else "reviewers",
            "no gold items would test the reviewers; write for example `gold: 0.02` in the "
            "stage's review",
        )
    if name == "agreement" and not twice:
        yield (
            "type",
            "no answer of the candidate would be reviewed by two people; write for example "
            "`opinions: {audit: 2}` in the stage's review",
        )


def _more_than_one(opinions: Any, withheld: Container[str]) -> bool:
    """Whether two people judge any answers that callers may get."""
    counts = opinions.items() if isinstance(opinions, Mapping) else ()
    return any(
        isinstance(count, int) and count > 1 and reason not in withheld for reason, count in counts
    )


def _get(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
