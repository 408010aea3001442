"""Several inputs in one request: each is a prediction of its own, answered together."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from registry.domain.errors import Conflict, Held, Invalid, TooLarge, UnsupportedInput
from serving.adapters.payloads import media_type
from serving.api.idempotency import keys_of_rows
from serving.api.parts import Serving
from serving.domain.prediction import Prediction, Status
from serving.services.predict import PredictCommand, predict
from serving.services.wait import wait_for


async def predict_rows(
    serving: Serving,
    model: str,
    inputs: Sequence[bytes],
    attributes: Mapping[str, Any],
    wait_seconds: float,
    key: str | None = None,
    version: int | None = None,
) -> tuple[Prediction, ...]:
    """The answers to all inputs, for callers that know nothing but answers.

    As `ask_rows`; Held if a person has to answer any of them first, with what to ask for later:
    such a caller must not take silence for a label. Conflict if the plan abstains from an answer,
    or if another version than this one would answer.
    """
    found = await ask_rows(serving, model, inputs, attributes, wait_seconds, key, version=version)
    _insist_on_labels(found)
    return found


async def ask_rows(
    serving: Serving,
    model: str,
    inputs: Sequence[bytes],
    attributes: Mapping[str, Any],
    wait_seconds: float,
    key: str | None = None,
    *,
    wants_review: bool = False,
    version: int | None = None,
) -> tuple[Prediction, ...]:
    """What becomes of all inputs, answered or held.

    Invalid names the first row that is no input; then no row is stored, so that the request can be
    sent again.
    """
    ready = asyncio.Barrier(len(inputs))

    async def one(data: bytes, key: str | None, part_of: str) -> Prediction:
        command = PredictCommand(
            model=model,
            payload=data,
            payload_type=media_type(data),
            attributes=attributes,
            idempotency_key=key,
            waiting=wait_seconds > 0,
            wants_review=wants_review,
            part_of=part_of,
            version=version,
        )
        try:
            found = await predict(command, serving.predicting, ready.wait)
        except BaseException:
            await ready.abort()
            raise
        if found.status is Status.HELD and wait_seconds:
            found = await wait_for(serving.ledger, serving.arrivals, found.id, wait_seconds)
        return found

    rows = zip(inputs, keys_of_rows(key, inputs), strict=True)
    answers = await asyncio.gather(
        *(one(data, *named) for data, named in rows), return_exceptions=True
    )
    found = [answer for answer in answers if isinstance(answer, Prediction)]
    for row, answer in enumerate(answers):
        if isinstance(answer, BaseException) and not isinstance(answer, asyncio.BrokenBarrierError):
            raise _of_row(answer, row, len(inputs))
    return tuple(found)


def _of_row(error: BaseException, row: int, rows: int) -> BaseException:
    """The same error, naming the row where there are several."""
    if rows > 1 and isinstance(error, Invalid | TooLarge | UnsupportedInput):
        return type(error)(f"row {row}: {error}")
    return error


def _insist_on_labels(found: Sequence[Prediction]) -> None:
    held = [one.id for one in found if one.status is Status.HELD]
    if held:
        places = ", ".join(f"/v1/predictions/{name}" for name in held)
        raise Held(
            f"{len(held)} of {len(found)} inputs are held for a person; ask for the answers at"
            f" {places} (?wait=30), or send the request with Prefer: wait=60"
        )
    silent = [one.id for one in found if one.answer is None or one.answer.prediction is None]
    if silent:
        raise Conflict(f"there is no label for {', '.join(silent)}: nobody could tell, by the plan")
