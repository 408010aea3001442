"""An answer of several labels, told as one text: those that apply, in the model's order.

One text, so that an answer stays one thing to agree with, to count and to judge: it is right if
every label of it is, and none is missing.
"""

from collections.abc import Iterable, Sequence

from registry.domain.errors import Invalid

BETWEEN = ";"
NONE_APPLIES = "none of these"
LONGEST = 256  # of an answer that people give


def together(labels: Iterable[str]) -> str:
    """The text of these labels.

    >>> together(["bear", "cub"]), together([])
    ('bear;cub', 'none of these')
    """
    return BETWEEN.join(labels) or NONE_APPLIES


def apart(text: str) -> tuple[str, ...]:
    """The labels of a text."""
    return () if text in ("", NONE_APPLIES) else tuple(text.split(BETWEEN))


def chosen(text: str | None, labels: Sequence[str]) -> tuple[int, ...]:
    """The places of the labels in a text, in the model's order; Invalid names a foreign one."""
    said = apart(text or "")
    foreign = [one for one in said if one not in labels]
    if foreign:
        raise Invalid(
            f"there is no label {foreign[0]!r}; give any of {', '.join(labels)}, with"
            f" {BETWEEN!r} between them, or none"
        )
    return tuple(i for i, label in enumerate(labels) if label in said)


def places(probabilities: Iterable[float], threshold: float) -> tuple[int, ...]:
    """Which labels apply: those that are more probable than the threshold."""
    return tuple(i for i, p in enumerate(probabilities) if p > threshold)


def named(labels: Sequence[str], probabilities: Sequence[float], threshold: float | None) -> str:
    """The answer: the most probable label, or all above the threshold where there is one."""
    if threshold is None:
        return labels[probabilities.index(max(probabilities))]
    return together(labels[i] for i in places(probabilities, threshold))


def surest(probabilities: Iterable[float], threshold: float) -> float:
    """How sure an answer of several labels is: as sure as of its least sure label."""
    return min(p if p > threshold else 1 - p for p in probabilities)


def check_several(labels: Sequence[str]) -> None:
    """Invalid if answers of several of these labels could not be told apart."""
    wrong = [one for one in labels if BETWEEN in one or one in ("", NONE_APPLIES)]
    if wrong:
        raise Invalid(
            f"the label {wrong[0]!r} cannot be one of several: {BETWEEN!r} stands between the"
            f" labels of an answer, and {NONE_APPLIES!r} where none applies; rename it"
        )
    if len(together(labels)) > LONGEST:
        raise Invalid(
            f"the labels together are longer than the {LONGEST} characters that an answer may"
            " have; shorten their names"
        )
