"""JSON from outside, read as RFC 8259 has it and no further."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from registry.domain.errors import Invalid


def read_json(text: bytes | str, what: str = "the body") -> Any:
    """The value in a text; Invalid says why there is none.

    Refused, besides what is no JSON: NaN and infinities, numbers beyond a float's range, and an
    object that gives one name twice, which programs read differently.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _decode(text)
    except RecursionError as error:
        raise Invalid(f"{what} is nested too deeply to be read") from error
    except ValueError as error:
        raise Invalid(f"{what} is not JSON: {error}") from error


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:64]} is too large for a number")
    return number


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice[:64]!r} stands twice in one object")
    return found


# Made once: making one takes as long as reading a short text.
_decode = json.JSONDecoder(
    parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once
).decode
