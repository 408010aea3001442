"""Several inputs in one request: each is a prediction of its own, answered together."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
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
    sent again. Nor is any if one version must answer all and the day has no room for all of them.
    """
    rows = len(inputs)
    order = _Order(rows, together=version is not None) if rows > 1 else None

    async def one(row: int, data: bytes, key: str | None, part_of: str) -> Prediction:
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
            room=order.room(row) if order else 1,
        )
        if order is None:
            found = await predict(command, serving.predicting)
        else:
            async with order.of(row):
                found = await predict(command, serving.predicting, partial(order.agreed, row))
        if found.status is Status.HELD and wait_seconds:
            found = await wait_for(serving.ledger, serving.arrivals, found.id, wait_seconds)
        return found

    named = zip(range(rows), inputs, keys_of_rows(key, inputs), strict=True)
    if order is None:
        return tuple([await one(row, data, *keyed) for row, data, keyed in named])
    answers = await asyncio.gather(
        *(one(row, data, *keyed) for row, data, keyed in named), return_exceptions=True
    )
    found = [answer for answer in answers if isinstance(answer, Prediction)]
    for row, answer in enumerate(answers):
        if isinstance(answer, BaseException) and not isinstance(answer, asyncio.BrokenBarrierError):
            raise _of_row(answer, row, rows)
    return tuple(found)


class _Order:
    """How the rows of one request wait for each other before any of them is stored.

    together: the first row takes room in a limited day for all, so the others come after it, or
    not at all.
    """

    def __init__(self, rows: int, *, together: bool) -> None:
        self._rows = rows
        self._together = together
        self._ready = asyncio.Barrier(rows)
        self._first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def room(self, row: int) -> int:
        """How many requests of a limited day a row takes."""
        if not self._together:
            return 1
        return 0 if row else self._rows

    async def agreed(self, row: int) -> None:
        """Return when this row may be stored; BrokenBarrierError if none may."""
        await self._ready.wait()
        if self._together and row and not await asyncio.shield(self._first):
            raise asyncio.BrokenBarrierError

    @asynccontextmanager
    async def of(self, row: int) -> AsyncIterator[None]:
        """One row on its way; where it fails, no other that still waits is stored."""
        stored = False
        try:
            yield
            stored = True
        finally:
            if row == 0:
                self._first.set_result(stored)
            if not stored:
                await self._ready.abort()


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
