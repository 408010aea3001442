"""MLflow's scoring protocol: POST /models/{model}/invocations, as `mlflow models serve` answers it.

An image is base64 in the column `image`, or the only column; MLflow writes bytes so in JSON. A
table of several other columns is for a model of rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from registry.domain.errors import Invalid, UnsupportedInput
from registry.domain.several import apart
from serving.api.answer_schema import INVOCATIONS_BODY, INVOKED, TEXT
from serving.api.body import read_attributes, read_body, row_bytes
from serving.api.header_schema import ASKING
from serving.api.idempotency import idempotency_key
from serving.api.json_body import read_json
from serving.api.parts import Serving
from serving.api.predict import preferred_wait
from serving.api.rows import predict_rows
from serving.api.tensors import IMAGE, ROWS_AT_MOST, from_base64
from serving.api.text import Name
from serving.domain.prediction import Prediction

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def router(serving: Serving) -> APIRouter:
    """The routes below /models/{model}."""
    routes = APIRouter(prefix="/models/{model}", tags=["mlflow"])
    body = {"content": {"application/json": {"schema": INVOCATIONS_BODY}}, "required": True}

    @routes.get("/ping", response_class=Response, responses=TEXT)
    def ping(model: Name) -> Response:
        """The model is routed here, as MLflow's client asks before it scores."""
        with serving.fleet.admit() as generation:
            generation.snapshot.assign(model, {}, serving.clock())
        return Response("\n", media_type="text/plain")

    asked = {"parameters": ASKING, "requestBody": body}

    @routes.post("/invocations", openapi_extra=asked, responses=INVOKED)
    async def invocations(model: Name, request: Request) -> JSONResponse:
        """Predictions for a table of images, or of rows."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedInput(f"send application/json with {', '.join(FORMS)}, not {kind!r}")
        inputs = read_inputs(await read_body(request, serving.max_upload_bytes))
        attributes = read_attributes(request)
        key, seconds = idempotency_key(request), preferred_wait(request)
        work = predict_rows(serving, model, inputs, attributes, seconds, key)
        found = await serving.callers.unless_gone(request, work)
        return JSONResponse({"predictions": [_row(one) for one in found]})

    return routes


def read_inputs(body: bytes) -> tuple[bytes, ...]:
    """The images or rows in one of MLflow's four forms; Invalid says what was expected."""
    document = read_json(body)
    forms = [form for form in FORMS if isinstance(document, dict) and form in document]
    if len(forms) != 1:
        raise Invalid(f"the body must be a JSON object with one of {', '.join(FORMS)}")
    rows = _column(forms[0], document[forms[0]])
    if not 0 < len(rows) <= ROWS_AT_MOST:
        raise Invalid(f"{forms[0]}: 1 to {ROWS_AT_MOST} rows are answered at once, not {len(rows)}")
    return tuple(_input(value, i) for i, value in enumerate(rows))


def _input(value: Any, row: int) -> bytes:
    return row_bytes(value) if isinstance(value, dict) else from_base64(value, row)


def _column(form: str, table: Any) -> Sequence[Any]:
    if form == "dataframe_split":
        return _of_split(table)
    if isinstance(table, dict):  # inputs and instances may be columns by their names
        table = table[IMAGE] if IMAGE in table else _transposed(form, table)
    if not isinstance(table, list):
        raise Invalid(f"{form}: a list of images in base64 is expected")
    return [_cell(row) for row in table]


def _of_split(table: Any) -> Sequence[Any]:
    data = table.get("data") if isinstance(table, dict) else None
    columns = table.get("columns") if isinstance(table, dict) else None
    if not isinstance(data, list) or not isinstance(columns, list | None):
        raise Invalid("dataframe_split: an object with columns and data is expected")
    if columns and IMAGE not in columns and len(columns) > 1:
        return _rows(data, columns)
    at = columns.index(IMAGE) if columns and IMAGE in columns else 0
    if not all(isinstance(row, list) and len(row) > at for row in data):
        raise Invalid(f"dataframe_split: each row of data needs a column {IMAGE!r}")
    return [row[at] for row in data]


def _transposed(form: str, table: Mapping[str, Any]) -> Any:
    columns = list(table.values())
    lengths = {len(one) if isinstance(one, list) else -1 for one in columns}
    if len(columns) == 1:
        return columns[0]
    if len(lengths) != 1 or -1 in lengths:
        raise Invalid(f"{form}: the columns must be lists of the same length")
    return _rows(list(zip(*columns, strict=True)), list(table))


def _rows(data: Sequence[Any], columns: Sequence[Any]) -> Sequence[Any]:
    if not all(isinstance(row, list | tuple) and len(row) == len(columns) for row in data):
        raise Invalid(f"each row needs {len(columns)} values, one for each column")
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _cell(row: Any) -> Any:
    if isinstance(row, dict):
        if IMAGE not in row and len(row) != 1:
            return row
        return row[IMAGE] if IMAGE in row else next(iter(row.values()))
    return row[0] if isinstance(row, list) and len(row) == 1 else row


def _row(found: Prediction) -> Mapping[str, Any]:
    """A row as the version gives it in `mlflow.pyfunc`: label, index, a column for each label."""
    said = found.answer
    if said is None:
        raise Invalid(f"prediction {found.id} has no answer")
    if isinstance(said.index, tuple):  # it has no one index, and the label of a text no column
        certain = dict.fromkeys(apart(said.prediction or ""), 1.0)
        row = {"prediction": said.prediction, **(said.probabilities or certain)}
    else:
        spread = said.probabilities or {str(said.prediction): 1.0}
        row = {"prediction": said.prediction, "index": said.index, **spread}
    return {**row, "id": found.id}
