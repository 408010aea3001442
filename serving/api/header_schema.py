"""The headers of a request for predictions, as the OpenAPI document describes them."""

from typing import Any

from serving.api.body import ATTRIBUTES, REVIEW
from serving.api.idempotency import HEADER, MAX_KEY


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


ASKING: list[dict[str, Any]] = [
    _header(
        ATTRIBUTES,
        'What scopes and sticking look at: a JSON object of scalars, such as {"user_id": "7"}.',
    ),
    _header(
        HEADER,
        "A request that is sent again under the same key gets the answer that it got.",
        minLength=1,
        maxLength=MAX_KEY,
    ),
    _header("Prefer", "`wait=20`: stay so many seconds where a person has to answer first."),
]
REVIEWED = _header(REVIEW, "Whether a person should look at the answer.", enum=["true", "false"])
