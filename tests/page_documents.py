"""Documents as the API gives them, and an API in memory that holds them, for tests of the pages."""

import copy
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from registry.domain.errors import Conflict, Invalid, NotFound, StagegateError, Unavailable
from registry.domain.several import apart

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = ["cardboard", "glass", "metal", "paper", "plastic", "trash"]
DIGEST = "sha256:" + "4f" * 32


def ago(**length: float) -> str:
    return (NOW - timedelta(**length)).isoformat()


def a_version(version: int = 3, **changes: Any) -> dict[str, Any]:
    document = {
        "model": "waste",
        "version": version,
        "stage": "gradual",
        "digest": DIGEST,
        "source_format": "fastai",
        "labels": LABELS,
        "environment": {
            "python": "3.11.7",
            "torch": "2.13.0",
            "fastai": "2.8.12",
            "numpy": "2.4.6",
            "platform": "Linux-6.1-x86_64",
        },
        "parity": {
            "passed": True,
            "max_abs_diff": 4.8e-6,
            "checks": [
                {
                    "name": "predict",
                    "rows": 64,
                    "difference": 4.8e-6,
                    "tolerance": 1e-5,
                    "passed": True,
                }
            ],
        },
        "tags": {"site": "north"},
        "description": "Trained on the photographs of the first half of the year.",
        "author": "ada",
        "run_id": "r1",
        "created_at": ago(days=3),
    }
    return document | changes


def a_card() -> dict[str, Any]:
    """A version with what its training data look like."""
    edges = [0.0, 1.0, 2.0, 4.0, 16.0]
    feature = {"kind": "image", "edges": edges, "counts": [25, 25, 25, 25], "mean": 2.5, "sd": 2.0}
    names = ("brightness", "contrast", "largest probability")
    return a_version(3) | {
        "out_of_domain": {"calibration_rows": 30, "minimum_level": 0.0025},
        "reference": {
            "rows": 100,
            "held_out_rows": 30,
            "labels": LABELS,
            "confusion": [[9 if i == j else int(i == 0) for j in range(len(LABELS))]
                          for i in range(len(LABELS))],
            "left_out_power": {LABELS[0]: 0.61},
            "features": [{**feature, "name": name, "outside": [2, 0, 0]} for name in names],
        },
    }  # fmt: skip


def a_model(**changes: Any) -> dict[str, Any]:
    versions = [a_version(2, stage="live", description="", tags={}), a_version(3)]
    document = {"name": "waste", "live": 2, "previous": 1, "candidate": 3, "versions": versions}
    return document | changes


def a_gate(**changes: Any) -> dict[str, Any]:
    document = {
        "type": "error-rate",
        "segment": None,
        "verdict": "inconclusive",
        "sentence": "error rate: 120 reviewed, 2 errors, needs about 130 more",
        "numbers": {
            "reviewed": 120,
            "errors": 2,
            "rate": 1 / 60,
            "bound": 0.05,
            "log_e_pass": math.log(14.2),
            "log_e_pass_needed": math.log(20),
            "log_e_harm": -1.0,
            "log_e_harm_needed": math.log(100),
            "more": 130,
        },
        "dry_run": False,
    }
    return document | changes


def a_rollout(**changes: Any) -> dict[str, Any]:
    drift = {
        "type": "drift",
        "verdict": "passed",
        "numbers": {"rows": 500, "alarm": False},
        "sentence": "drift: 500 inputs compared, no domain shift",
    }
    reasons = ["error rate: 120 reviewed, 2 errors, needs about 130 more"]
    document = {
        "id": "b7",
        "model": "waste",
        "version": 3,
        "baseline": 2,
        "stage": "gradual",
        "stages": ["manual-review", "limited-scope", "gradual", "live"],
        "step": 1,
        "steps": [
            {"weight": 5.0, "bake_seconds": 86400},
            {"weight": 25.0, "bake_seconds": 172800},
            {"weight": 100.0, "bake_seconds": 172800},
        ],
        "weight": 25.0,
        "generation": 7,
        "paused": None,
        "live": 2,
        "previous": 1,
        "returns_to": 1,
        "plan_digest": "sha256:" + "ab" * 32,
        "started_by": "ada",
        "started_at": ago(days=9),
        "stage_since": ago(hours=30),
        "step_since": ago(hours=6),
        "ended_at": None,
        "watched_until": None,
        "deadline": {
            "at": (NOW + timedelta(days=3, hours=2)).isoformat(),
            "then": "hold",
            "sentence": "if nobody acts, it is paused where it is",
        },
        "gates": [
            a_gate(),
            a_gate(
                segment="site=ranger-7",
                verdict="failed",
                sentence="error rate (site=ranger-7): 40 reviewed, 11 errors: above 0.05 at "
                "confidence 0.99",
                numbers={"log_e_harm": 6.0, "log_e_harm_needed": 5.3},
            ),
            a_gate(**drift),
        ],
        "decision": {"action": "hold", "reasons": reasons},
        "approvals": {"needed": 1, "given": []},
        "evidence_digest": "sha256:" + "cd" * 32,
        "next": "gradual",
    }
    return document | changes


def some_readings(hours: float, reached: float, harm: float = -0.2) -> list[list[Any]]:
    """Points of a gate that came so far by now, not quite straight."""
    steps = 24
    return [
        [
            ago(hours=hours * (1 - place / steps)),
            "inconclusive",
            reached * place / steps - 0.12 * ((place * 7) % 5) / 5 * (place > 3),
            harm * place / steps,
        ]
        for place in range(steps + 1)
    ]


def a_series(**changes: Any) -> dict[str, Any]:
    document = {"type": "error-rate", "segment": None, "points": some_readings(30, 0.88)}
    return document | changes


def the_readings(**changes: Any) -> dict[str, Any]:
    harmed = a_series(segment="site=ranger-7", points=some_readings(30, -0.6, 1.12))
    before = a_series(points=some_readings(60, 1.04))
    document = {
        "rollout_id": "b7",
        "version": 3,
        "stages": [
            {"stage": "limited-scope", "gates": [before]},
            {"stage": "gradual", "gates": [a_series(), harmed]},
        ],
    }
    return document | changes


def an_event(sequence: int, **changes: Any) -> dict[str, Any]:
    document = {
        "sequence": sequence,
        "at": ago(hours=40 - sequence),
        "actor": "ada",
        "action": "promoted",
        "model": "waste",
        "version": 3,
        "rollout_id": "b7",
        "detail": {"from": "limited-scope", "to": "gradual", "reasons": ["all gates passed"]},
        "previous_hash": "00",
        "hash": f"sha256:{sequence:02x}" + "9b" * 31,
    }
    return document | changes


def a_promotion(sequence: int, start: str, end: str, **changes: Any) -> dict[str, Any]:
    """An event that led from one place to another; "gradual 1" is its second step."""
    places = {"from": _spot(start), "to": _spot(end), "reason": changes.pop("reason", "")}
    return an_event(sequence, detail=places, **changes)


def _spot(place: str) -> dict[str, Any]:
    stage, _, step = place.partition(" ")
    return {"stage": stage, "step": int(step or 0), "weight": 0.0}


def a_feature(name: str, shift: int = 0) -> dict[str, Any]:
    reference = [100 + (place * 37) % 11 for place in range(64)]
    window = [3 + max(0, 9 - abs(place - 32 - shift) // 3) for place in range(64)]
    if not shift:
        window = [7 + (place * 13) % 4 for place in range(64)]
    return {
        "name": name,
        "kind": "numeric",
        "edges": [place / 64 for place in range(65)],
        "reference": reference,
        "window": window,
        "reference_outside": [0, 5, 6],
        "window_outside": [1, 2 + abs(shift), 3],
    }


def a_test(feature: str, **changes: Any) -> dict[str, Any]:
    document = {
        "feature": feature,
        "test": "ks",
        "statistic": 0.04,
        "p_value": 0.4,
        "p_adjusted": 1.0,
        "effect": 0.03,
        "effect_interval": [0.01, 0.06],
        "moved_sd": 0.02,
        "alarm": False,
    }
    return document | changes


def a_drift(**changes: Any) -> dict[str, Any]:
    sentence = "brightness moved by -1.4 standard deviations in 500 inputs (p 1e-12)"
    document = {
        "model": "waste",
        "version": 3,
        "rows": 500,
        "window_from": ago(hours=2),
        "window_to": ago(minutes=1),
        "alarm": True,
        "sentence": sentence,
        "tests": [
            a_test("contrast"),
            a_test(
                "brightness", p_adjusted=1e-12, effect=1.38, moved_sd=-1.4, alarm=True, test="ks"
            ),
            a_test("predicted class", test="chi-square", moved_sd=None, p_adjusted=0.3),
        ],
        "history": [
            {"at": ago(minutes=1), "rows": 500, "alarm": True, "sentence": sentence},
            {"at": ago(minutes=31), "rows": 500, "alarm": True, "sentence": sentence},
            {"at": ago(minutes=61), "rows": 480, "alarm": False, "sentence": "no shift found"},
        ],
        "out_of_domain_ratio": 0.012,
        "out_of_domain": {"flagged": 6, "rows": 500, "ratio": 0.012, "expected": 0.01},
        "features": [
            a_feature("contrast"),
            a_feature("brightness", shift=-14),
            a_feature("sharpness"),
            a_feature("out-of-domain score"),
            a_feature("confidence"),
        ],
    }
    return document | changes


def an_item(number: int, **changes: Any) -> dict[str, Any]:
    out = "p 0.003: further from the training photographs than 99.7 % of the held-out ones"
    document = {
        "id": f"item-{number}",
        "prediction_id": f"prediction-{number}",
        "model": "waste",
        "version": 3,
        "stage": "limited-scope",
        "reasons": [
            {"code": "out_of_domain", "reason": out},
            {"code": "low_confidence", "reason": "confidence 0.58 is below 0.70"},
        ],
        "labels": LABELS,
        "presentation": "answer-first",
        "model_answer": None,
        "payload_url": f"/v1/predictions/prediction-{number}/payload",
        "payload_type": "image/png",
        "state": "ready",
        "holder": None,
        "epoch": 0,
        "lease_until": None,
        "due_at": (NOW + timedelta(minutes=9)).isoformat(),
        "waiting_since": ago(minutes=3),
        "open": 0,
    }
    return document | changes


def an_estimate(value: float, half: float, n: float = 200.0) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def a_bias(**changes: Any) -> dict[str, Any]:
    document = {
        "sentence": "automation bias: of the model's errors that a second person found, reviewers "
        "accepted 20 of 40 when its answer was shown and 4 of 40 when it was not; among items "
        "alike the difference is 40 points (20 points to 56 points), beyond the limit of 10 "
        "points: its answer is shown after the reviewer's own",
        "estimate": {"value": 0.4, "low": 0.2, "high": 0.57, "n": 80},
        "at_most": 0.1,
        "shown": {"errors": 40, "accepted": 20},
        "blind": {"errors": 40, "accepted": 4},
        "measured_at": ago(minutes=1),
        "fallen_back_at": ago(hours=5),
    }
    return document | changes


def a_quality(**changes: Any) -> dict[str, Any]:
    accuracy = {
        "naive": an_estimate(0.79, 0.04),
        "weighted": an_estimate(0.94, 0.02),
        "corrected": an_estimate(0.955, 0.03),
        "worst": 0.9,
        "best": 0.96,
        "judged": 412,
        "waiting": 30,
        "lost": 12,
        "sentence": "95.5 % of all answers are right (95 % interval: 92.5 % to 98.5 %), with the "
        "reviewers' own mistakes taken out by gold items",
    }
    nothing = dict.fromkeys(("naive", "weighted", "corrected", "worst", "best"))
    nothing |= {"judged": 0, "waiting": 3, "lost": 0}
    nothing["sentence"] = "no answer of this version has been reviewed yet"
    kappa = an_estimate(0.82, 0.09, 40)
    agreement = {"items": 40, "same": 36, "kappa": kappa, "alpha": 0.81}
    silent = {"items": 0, "same": 0, "kappa": None, "alpha": None}
    document = {
        "model": "waste",
        "since": ago(days=30),
        "confidence": 0.95,
        "gold": {"wrong": 20, "caught": 18, "right": 20, "cleared": 19},
        "bias": a_bias(),
        "versions": [
            {"version": 3, "stage": "gradual", "accuracy": accuracy, "agreement": agreement},
            {"version": 2, "stage": "live", "accuracy": nothing, "agreement": silent},
        ],
        "queues": [{"queue": "work", "accuracy": accuracy, "agreement": agreement}],
    }
    return document | changes


def a_decision(number: int, reviewer: str, label: str | None, **changes: Any) -> dict[str, Any]:
    screen = {
        "presentation": "answer-first",
        "reasons": ["confidence 0.58 is below 0.70"],
        "labels": LABELS,
        "model_answer": None,
        "model_answer_shown": False,
        "payload_digest": DIGEST,
        "payload_type": "image/png",
        "page": "0f3c9a51b2d4",
        "with_opinions": False,
        "is_exact": True,
    }
    document = {
        "id": number,
        "slot": 1,
        "queue": "work",
        "reviewer": reviewer,
        "label": label,
        "comment": "",
        "counted": True,
        "informed": False,
        "seconds": 8.2,
        "seen": "ab" * 32,
        "screen": screen,
        "decided_at": ago(minutes=9 - number),
    }
    return document | changes


def an_entry(minutes: float, actor: str, action: str, **more: Any) -> dict[str, Any]:
    return {"at": ago(minutes=minutes), "actor": actor, "action": action, "detail": {}, **more}


def a_history(**changes: Any) -> dict[str, Any]:
    asked = {"reasons": ["confidence 0.58 is below 0.70"], "presentation": "answer-first"}
    taken = {"presentation": "answer-first", "epoch": 1, "until": ago(minutes=-2)}
    after = a_decision(2, "ada", "glass", informed=True)
    seen = {"model_answer": "glass", "model_answer_shown": True}
    judged = a_decision(3, "Bartholomew van der Berg", None, queue="lead")
    known = {"page": None, "with_opinions": True, "is_exact": False}
    document = {
        **an_item(1, state="decided"),
        "opinions_required": 2,
        "random_number": 0.413,
        "inclusion_probability": 1.0,
        "outcome": {"prediction": "glass"},
        "source": "adjudicated",
        "gold": None,
        "model_answer": {"prediction": "glass"},
        "decisions": [
            a_decision(1, "ada", "metal"),
            after | {"screen": after["screen"] | seen},
            judged | {"screen": judged["screen"] | known},
        ],
        "timeline": [
            an_entry(12, "stagegate", "asked", detail=asked),
            an_entry(10, "ada", "taken", detail=taken),
            an_entry(8, "ada", "answered", label="metal", detail={"seconds": 8.2}),
            an_entry(7, "ada", "corrected", label="glass", detail={"informed": True}),
            an_entry(6.5, "ada", "comment", detail={"text": "the neck is cut off"}),
            an_entry(6, "the deadline", "gave the caller the fallback", label="paper"),
            an_entry(5, "stagegate", "settled", label="glass", detail={"source": "adjudicated"}),
        ],
    }
    return document | changes


def a_person(name: str = "ada", **changes: Any) -> dict[str, Any]:
    document = {
        "name": name,
        "decisions": 1234,
        "decisions_per_hour": 57,
        "holds": 2,
        "median_seconds": 8.4,
        "overturned": an_estimate(0.04, 0.02),
        "agreed": an_estimate(0.91, 0.04),
        "kappa": an_estimate(0.84, 0.07),
        "gold": an_estimate(0.93, 0.05),
    }
    return document | changes


def the_people() -> dict[str, Any]:
    nothing = dict.fromkeys(("overturned", "agreed", "kappa", "gold", "median_seconds"))
    new = a_person("Bartholomew van der Berg", decisions=1, decisions_per_hour=1, **nothing)
    return {"since": ago(days=30), "gold": True, "people": [a_person(), new]}


def a_queue(queue: str = "work", **changes: Any) -> dict[str, Any]:
    document = {
        "model": "waste",
        "queue": queue,
        "waiting": 1200,
        "in_review": 7,
        "due_within_hour": 31,
        "overdue": 2,
        "decisions_per_hour": 240,
        "oldest_seconds": 5400.0,
        "fallback": an_estimate(0.02, 0.01),
        "gold": None,
    }
    return document | changes


def a_value(name: str, **changes: Any) -> dict[str, Any]:
    document = {
        "name": name,
        "said": "97",
        "sentence": f"{name} is 97, above all training values (18 to 91)",
        "outside": True,
        "value": 97.0,
        "low": 18.0,
        "high": 91.0,
        "usual": [21.5, 87.5],
        "below": 1.0,
    }
    return document | changes


def an_input() -> dict[str, Any]:
    inside = {"outside": False, "value": 20.0, "said": "20", "sentence": "higher than 3%"}
    place = ("value", "low", "high", "usual", "below")
    category = {"said": "“mars”", "sentence": "site is “mars”", **dict.fromkeys(place)}
    values = [a_value("brightness"), a_value("site", **category), a_value("contrast", **inside)]
    return {"version": 3, "values": values}


class FakeApi:
    """The documents above, and a queue that follows the contract's rules on leases and keys.

    `clock` says when a lease ends; `broken` makes every request fail, as a lost service would.
    """

    def __init__(self, items: list[dict[str, Any]] | None = None, clock: Any = None) -> None:
        self.items = {item["id"]: item for item in copy.deepcopy(items or [])}
        self.clock = clock or (lambda: NOW)
        self.decisions: list[dict[str, Any]] = []
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.skips: list[dict[str, Any]] = []
        self.renewals = 0
        self.undo_seconds = 0.0
        self.undone: list[str] = []
        self.comments: list[tuple[str, str, str]] = []
        self.escalations: list[dict[str, Any]] = []
        self.snoozes: dict[tuple[str, int, str], str] = {}
        self.broken: str = ""
        self.lease_seconds = 600
        self.model_says = {"prediction": "glass", "probabilities": {"glass": 0.58, "metal": 0.31}}
        events = [an_event(1, action="started", detail={}), an_event(2)]
        self.documents: dict[str, Mapping[str, Any]] = {
            "/v1/models": {"models": [a_model()]},
            "/v1/models/waste": a_model(),
            "/v1/models/waste/versions/3": a_card(),
            "/v1/rollouts": {"rollouts": [a_rollout()]},
            "/v1/rollouts/waste": a_rollout(),
            "/v1/rollouts/waste/history": {"events": events},
            "/v1/rollouts/waste/readings": the_readings(),
            "/v1/drift/waste": a_drift(),
            "/v1/review/quality": a_quality(),
            "/v1/review/people": the_people(),
            "/v1/review/items/item-1": a_history(),
            "/v1/review/queues": {
                "queues": [a_queue(), a_queue("audit", fallback=None, gold=an_estimate(0.9, 0.04))]
            },
            "/v1/audit": {"events": events},
            "/v1/review/item-1/input": an_input(),
            "/v1/audit:verify": {
                "intact": True,
                "events": 2,
                "broken_at": None,
                "sentence": "2 events, each chained to the one before.",
            },
        }

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, actor: str = ""
    ) -> Mapping[str, Any] | None:
        self._check()
        if path == "/v1/review/next":
            return self._next(actor, (params or {}).get("after", ""))
        if path == "/v1/review/stats":
            return self._stats()
        if path == "/v1/review/items":
            wanted = {name: value for name, value in params.items() if name != "limit"}
            found = [i for i in self.items.values() if _has(i, wanted)]
            return {"items": found[: int(params["limit"])]}
        if path not in self.documents:
            raise NotFound(f"there is nothing at {path}")
        return self.documents[path]

    async def post(self, path: str, body: Mapping[str, Any], actor: str) -> Mapping[str, Any]:
        self._check()
        self.sent.append((path, body))
        item, action = map(unquote, path.removeprefix("/v1/review/").split("/"))
        if item == "bulk":
            return getattr(self, f"_{action}_all")(body, actor)
        return getattr(self, f"_{action}")(self.items[item], body, actor)

    def _check(self) -> None:
        if self.broken:
            raise Unavailable(self.broken)

    def _waiting(self) -> list[dict[str, Any]]:
        return [item for item in self.items.values() if item["state"] in ("ready", "leased")]

    def _stats(self) -> Mapping[str, Any]:
        waiting = self._waiting()
        return {
            "open": len(waiting),
            "oldest_seconds": 180.0 if waiting else 0.0,
            "held": len(waiting),
            "decided": len(self.decisions),
            "by_reason": {"out_of_domain": len(waiting)} if waiting else {},
        }

    def _next(self, actor: str, after: str = "") -> Mapping[str, Any] | None:
        others = [i for i in self._waiting() if i["id"] != after]
        mine = [i for i in others if i["holder"] == actor and i["state"] == "leased"]
        free = [i for i in others if i["state"] == "ready"]
        found = next(iter(mine + free), None)
        if found is None:
            return None
        if found["state"] == "ready":
            found.update(state="leased", holder=actor, epoch=found["epoch"] + 1)
        found["lease_until"] = self._lease_until()
        return found | {"open": len(self._waiting())}

    def _lease_until(self) -> str:
        return (self.clock() + timedelta(seconds=self.lease_seconds)).isoformat()

    def _decision(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        stored = [d for d in self.decisions if d["idempotency_key"] == body["idempotency_key"]]
        if any(one["label"] != body["label"] for one in stored):
            raise Invalid("the idempotency key was used for another verdict")
        if not stored and body.get("revise"):
            if (item["state"], item["epoch"]) != ("decided", body["epoch"]):
                raise Conflict("your answer cannot be corrected any more")
            self.decisions = [d for d in self.decisions if d["item"] != item["id"]]
            self.decisions.append({"item": item["id"], "actor": actor, **body})
        elif not stored:
            said = body["label"] or ""
            given = apart(said) if item.get("several") else (said,) if said else ()
            if not set(given) <= set(item["labels"]):
                raise Invalid(f"{item['model']} has no label {body['label']!r}")
            self._own(item, body, actor)
            self.decisions.append({"item": item["id"], "actor": actor, **body})
            item["state"] = "decided"
        agrees = body["label"] == self.model_says["prediction"]
        document = {"id": item["id"], "status": "decided", "counted": True, "agrees": agrees}
        until = (self.clock() + timedelta(seconds=self.undo_seconds)).isoformat()
        answer = {"label": body["label"], "model_answer": self.model_says, "epoch": item["epoch"]}
        answer |= {"labels": item["labels"], "several": bool(item.get("several"))}
        return document | answer | {"undo_until": until if self.undo_seconds else None}

    def _undo(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        if (item["state"], item["epoch"]) != ("decided", body["epoch"]):
            raise Conflict("the time to undo it is over")
        self.undone.append(item["id"])
        self.decisions = [d for d in self.decisions if d["item"] != item["id"]]
        until = self._lease_until()
        item.update(state="leased", holder=actor, epoch=item["epoch"] + 1, lease_until=until)
        return item

    def _agree(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        given = next(d for d in self.decisions if d["item"] == item["id"])
        given["label"] = self.model_says["prediction"]
        answer = {"id": item["id"], "counted": True, "agrees": True, "epoch": item["epoch"]}
        return answer | {"label": given["label"], "model_answer": self.model_says}

    def _escalate(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        self._own(item, body, actor)
        self.escalations.append({"item": item["id"], "actor": actor, **body})
        item.update(state="escalated")
        return {"id": item["id"]}

    def _snooze(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        request = (item["id"], body["epoch"], body["idempotency_key"])
        if request not in self.snoozes:
            self._own(item, body, actor)
            item.update(state="snoozed", snoozed_until=body["until"])
        until = self.snoozes.setdefault(request, body["until"])
        return {"id": item["id"], "until": until}

    def _comment(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        self.comments.append((item["id"], actor, body["text"]))
        return {"id": item["id"]}

    def _grid(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        self._own(item, body, actor)
        for other in [i for i in self._waiting() if i["state"] == "ready"]:
            other.update(state="leased", holder=actor, epoch=other["epoch"] + 1)
        return {"items": [i for i in self._waiting() if i["holder"] == actor]}

    def _decision_all(self, body: Any, actor: str) -> Mapping[str, Any]:
        shared = {"label": body["label"], "idempotency_key": body["idempotency_key"]}
        for one in body["items"]:
            item = self.items[one["item"]]
            self._own(item, one, actor)
            self.decisions.append({"item": item["id"], "actor": actor, **shared})
            item["state"] = "decided"
        until = (self.clock() + timedelta(seconds=self.undo_seconds)).isoformat()
        return {"items": [{"label": body["label"], "undo_until": until} for _ in body["items"]]}

    def _undo_all(self, body: Any, actor: str) -> Mapping[str, Any]:
        key = body["idempotency_key"]
        for given in [d for d in self.decisions if d["idempotency_key"] == key]:
            self.items[given["item"]].update(state="leased", holder=actor)
        self.decisions = [d for d in self.decisions if d["idempotency_key"] != key]
        return {"items": []}

    def _skip(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        self._own(item, body, actor)
        self.skips.append({"item": item["id"], "actor": actor, **body})
        item["state"] = "cancelled"
        return {"id": item["id"], "status": "skipped"}

    def _release(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        if (item["state"], item["epoch"]) != ("leased", body["epoch"]):
            raise Conflict(f"Nobody has review item {item['id']}")
        item.update(state="ready")
        return item

    def _renew(self, item: dict[str, Any], body: Any, actor: str) -> Mapping[str, Any]:
        self._own(item, body, actor)
        item["state"] = "leased"
        self.renewals += 1
        return {"id": item["id"], "lease_until": self._lease_until()}

    @staticmethod
    def _own(item: dict[str, Any], body: Any, actor: str) -> None:
        mine = (item["holder"], item["epoch"]) == (actor, body["epoch"])
        if not mine or item["state"] not in ("leased", "ready"):
            raise Conflict("someone else took this item")


def _has(item: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(item[name]) == value for name, value in wanted.items())


def refusing(error: StagegateError) -> FakeApi:
    """An API that refuses everything for one reason."""

    class Refusing(FakeApi):
        def _check(self) -> None:
            raise error

    return Refusing()
