"""By which formulas something was judged: a number that rises when a gate counts otherwise.

Only what was judged by formulas that this program still has can be judged again.
"""

from collections.abc import Iterable, Mapping

# What is judged now. Events that name no number were judged by the first.
FORMULAS = 2
# Which gates count otherwise since a number. 2: `agreement` counts visits, in prediction order.
_CHANGED = {2: frozenset({"agreement"})}


def why_not_again(detail: Mapping[str, object], gates: Iterable[str]) -> str | None:
    """Why gates of these types cannot be judged again as an event says; None if they can.

    >>> why_not_again({"formulas": 3}, ["split"])
    'it was judged by formulas 3, and this stagegate has 2; verify it with a newer stagegate'
    """
    number = detail.get("formulas", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return f"it names the formulas {number!r}, and those are counted from 1"
    if number > FORMULAS:
        return (
            f"it was judged by formulas {number}, and this stagegate has {FORMULAS}; "
            "verify it with a newer stagegate"
        )
    since = {gate: new for new, changed in _CHANGED.items() if new > number for gate in changed}
    for gate in gates:
        if gate in since:
            return (
                f"it was judged by formulas {number}, and the gate {gate} counts otherwise since "
                f"{since[gate]}; verify it with the stagegate that made it"
            )
    return None
