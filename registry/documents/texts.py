"""Texts that every database can keep and every answer can carry."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_MOST_CHARACTERS = 10_000
# The same for readers of the OpenAPI document; JSON has no lone surrogates there.
STORABLE = r"^[^\u0000]*$"


def is_storable(text: str) -> bool:
    """Whether it has no NUL, which PostgreSQL refuses, and no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def storable(text: str) -> str:
    """The text itself; ValueError if it cannot be kept."""
    if not is_storable(text):
        raise ValueError("this text holds a character that cannot be stored (NUL or a surrogate)")
    return text


def whole(number: object) -> object:
    """The number itself; ValueError for a text or a truth value, which pydantic would convert."""
    if isinstance(number, bool | str):
        raise ValueError("Input should be a number")  # noqa: TRY004 - pydantic wants this one
    return number


# 1 and 1.0, as JSON Schema has an integer.
WholeNumber = Annotated[int, BeforeValidator(whole)]
# A text as people send it: a model's name, a reason, a note.
SentText = Annotated[
    str,
    Field(max_length=_MOST_CHARACTERS, json_schema_extra={"pattern": STORABLE}),
    AfterValidator(storable),
]
# A name in an address, before a verb: `:promote` fits behind it wherever a text fits.
PathName = Annotated[SentText, Field(max_length=256)]
