"""Texts that every database can keep and every answer can carry."""

from typing import Annotated

from pydantic import AfterValidator, Field

_MOST_CHARACTERS = 10_000


def is_storable(text: str) -> bool:
    """Whether it has no NUL, which PostgreSQL refuses, and no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def storable(text: str) -> str:
    """The text itself; ValueError if it cannot be kept."""
    if not is_storable(text):
        raise ValueError("this text holds a character that cannot be stored (NUL or a surrogate)")
    return text


# A text as people send it: a model's name, a reason, a note.
SentText = Annotated[str, Field(max_length=_MOST_CHARACTERS), AfterValidator(storable)]
