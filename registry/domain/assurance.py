"""What a certificate says to people: how sure, for whom, from when to when, and on what terms."""

from collections.abc import Iterator, Sequence

from registry.domain.certificate import Harm, Promotion
from registry.domain.decision import spoken
from registry.domain.plan import Scope
from registry.domain.retrace import Certificate
from registry.domain.stages import ENDED, Stage
from registry.domain.transitions import Place

_TAKEN_BACK = ENDED - {Stage.RETAINED}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def statements(
    certificate: Certificate, promotions: Sequence[Promotion], harms: Sequence[Harm] = ()
) -> tuple[str, ...]:
    """Everything that may be concluded, a sentence each."""
    return (
        _headline(certificate, promotions),
        *(_promotion(one) for one in promotions),
        *_taken_back(certificate, harms),
        _alpha(certificate),
        *_scopes(promotions),
        _period(promotions),
        *_assumptions(certificate),
    )


def _headline(certificate: Certificate, promotions: Sequence[Promotion]) -> str:
    event = certificate.started
    count = "1 promotion" if len(promotions) == 1 else f"{len(promotions)} promotions"
    place = _spoken_place(certificate, promotions[-1])
    return (
        f"{event.model}@{event.version} ({event.detail['version_digest']}) reached {place} by "
        f"{count}; every gate of each was recomputed from the evidence in this file and says what "
        "was recorded, to the last digit."
    )


def _promotion(one: Promotion) -> str:
    event, to = one.event, one.event.detail["to"]
    said = "; ".join(gate.result.sentence for gate in one.judgement.gates) or "no gate"
    how = ""
    if one.overridden:
        missing = "; ".join(event.detail["unmet"]) or "a part of the plan"
        how = f", AGAINST its gates (missing: {missing}), with the reason: {event.detail['reason']}"
    by = (
        ", approved by " + ", ".join(event.detail["approvals"]) if event.detail["approvals"] else ""
    )
    return (
        f"{event.at:%Y-%m-%d %H:%M} UTC: from {one.before.stage} to {to['stage']}"
        f"{_at_weight(to['weight'])} by {event.actor}{by}{how}, on {one.answers} answers: {said}."
    )


def _taken_back(certificate: Certificate, harms: Sequence[Harm]) -> Iterator[str]:
    """That it is no longer there, and why."""
    again = {harm.event.sequence: harm for harm in harms}
    for event in certificate.own:
        to = event.detail.get("to")
        if to and Stage(to["stage"]) in _TAKEN_BACK:
            said = event.detail.get("reason") or "no reason was given"
            yield (
                f"{event.at:%Y-%m-%d %H:%M} UTC: TAKEN BACK from {event.detail['from']['stage']} "
                f"by {event.actor}{_on_what(again.get(event.sequence), said)}"
            )


def _on_what(harm: Harm | None, said: str) -> str:
    gone = "It answers no more by this rollout"
    if harm is None:
        return (
            f", as the audit log says: {said}. {gone}; what it was taken back on is not judged "
            "again here."
        )
    return (
        f" on {harm.answers} answers: {said}. {gone}. Every gate was recomputed from them and says "
        "what was recorded; of verdicts that were final by then the log keeps no digest, but every "
        "number that came of them."
    )


def _alpha(certificate: Certificate) -> str:
    defaults = certificate.plan.defaults
    alpha = round(1 - defaults.confidence, 12)
    return (
        f"Error: a version whose rate is at a gate's bound or worse passes that gate with a "
        f"probability of at most {alpha:g} (confidence {defaults.confidence:g}), however often "
        "anybody looked."
    )


def _scopes(promotions: Sequence[Promotion]) -> Iterator[str]:
    for stage in dict.fromkeys(one.before.stage for one in promotions):
        plan = promotions[0].before.plan.stage(stage)
        if stage is Stage.LIMITED_SCOPE:
            yield f"Scope: evidence of {stage} comes from requests with {_scope(plan.scope)}."
        elif stage is Stage.GRADUAL:
            weights = ", ".join(f"{step.weight:g} %" for step in plan.steps)
            yield f"Scope: evidence of {stage} comes from the shares {weights} of all units."
        else:
            yield f"Scope: evidence of {stage} comes from every request that was reviewed."


def _scope(scope: Scope) -> str:
    rules = [f"{name} {' or '.join(values)}" for name, values in scope.where.items()]
    if scope.area is not None:
        rules.append(f"a place within {scope.area}")
    for window in scope.when:
        days = ", ".join(_DAYS[day] for day in sorted(window.days))
        rules.append(f"{days} {window.start:%H:%M} to {window.end:%H:%M} {window.timezone}")
    if scope.until is not None:
        rules.append(f"a date until {scope.until}")
    if scope.at_most_per_day is not None:
        rules.append(f"at most {scope.at_most_per_day} answers a day")
    return "; ".join(rules) or "no further rule"


def _period(promotions: Sequence[Promotion]) -> str:
    first, last = promotions[0].before.started_at, promotions[-1].event.at
    return (
        f"Period: evidence from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC; nothing here "
        "speaks of inputs that came later."
    )


def _assumptions(certificate: Certificate) -> tuple[str, ...]:
    head = certificate.head
    return (
        "Assumed: reviewers' verdicts are right, as far as no gate on reviewers says otherwise; "
        "answers to be reviewed were drawn with the chances that each row states; inputs during "
        "the stage are like those that the version is meant for.",
        *_visits(certificate),
        "Verdicts count in the order of the predictions, up to the first that was pending; one "
        "that was past due counts as an error for promotion.",
        "That this file agrees with itself does not tell who made it. Compare the end of the audit "
        f"log, event {head.sequence} with {head.hash}, with one that you kept (a notification, an "
        "earlier export): `--expect-head` does.",
    )


def _visits(certificate: Certificate) -> Iterator[str]:
    plan = certificate.plan
    if plan.visit_seconds:
        yield (
            f"Of what one {plan.unit} asks within {spoken(plan.visit_seconds)} the first answer "
            "counts: error rates are over such visits, which come mixed."
        )
    else:
        yield (
            "Each answer counts by itself, so answers of one source do not hang together for long."
        )


def _spoken_place(certificate: Certificate, last: Promotion) -> str:
    to = last.event.detail["to"]
    return f"{Place(Stage(to['stage'])).stage}{_at_weight(to['weight'])}"


def _at_weight(weight: float) -> str:
    return f" at {weight:g} %" if 0 < weight < 100 else ""
