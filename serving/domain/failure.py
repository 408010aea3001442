"""A version that gave no answer: its own fault, or that of a replica that was too busy."""

from dataclasses import dataclass

from registry.domain.errors import StagegateError

FAILED = "(failed)"  # stands for the label in evidence; no verdict of a person can agree with it


class ModelFailed(StagegateError):
    """The model raised, or gave what is no answer; the service's log says more."""

    title = "Model failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version gave no answer.

    counts: it is an error of the version; else the answer was dropped, which says nothing of it.
    """

    reason: str
    counts: bool
