"""What other systems are told when a held request gets its answer: where to ask, not what."""

from enum import StrEnum
from typing import Any

from serving.domain.prediction import Prediction


class Event(StrEnum):
    """What has happened to a prediction."""

    DECIDED = "prediction.decided"
    AMENDED = "prediction.amended"


def notice(prediction: Prediction, event: Event) -> dict[str, Any]:
    """A notification; its id depends on nothing but the event, so that a repeat is known again."""
    who = prediction.decided_by.value if prediction.decided_by else "nobody"
    what = f"request {prediction.id} to {prediction.model}"
    sentence = (
        f"held {what} was answered: {who}"
        if event is Event.DECIDED
        else f"a person has looked at {what} after the {who} had answered it"
    )
    return {
        "event": event.value,
        "model": prediction.model,
        "version": prediction.version,
        "rollout_id": prediction.rollout_id,
        "sentence": sentence,
        "detail": {
            "id": f"{event.value}:{prediction.id}",
            "prediction_id": prediction.id,
            "decided_by": who,
            "url": f"/v1/predictions/{prediction.id}",
        },
    }
