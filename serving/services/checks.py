"""Writing down what an outcome says about the people who gave it."""

from datetime import datetime

from serving.domain.prediction import Label
from serving.domain.review import Item
from serving.ports import ServingUnit


def check_reviewers(unit: ServingUnit, item: Item, outcome: Label, now: datetime) -> None:
    """Nothing yet."""
