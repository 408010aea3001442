"""Text, names and numbers from outside that every database can store."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, Field

from registry.documents.texts import STORABLE, whole
from registry.domain.errors import Invalid

_LONGEST_NAME = 256


def storable(text: str) -> bool:
    """Neither NUL, which PostgreSQL refuses, nor half of a surrogate pair, which is no UTF-8."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _checked(text: str) -> str:
    if not storable(text):
        raise ValueError("holds a character that is no text")
    return text


Storable = Annotated[str, Field(json_schema_extra={"pattern": STORABLE}), AfterValidator(_checked)]
Text = Annotated[Storable, Field(max_length=4000)]
Name = Annotated[Storable, Field(min_length=1, max_length=_LONGEST_NAME)]
_LARGEST = 2**31 - 1
Epoch = Annotated[int, Field(ge=0, le=_LARGEST), BeforeValidator(whole)]
VersionNumber = Annotated[int, Path(ge=1, le=_LARGEST)]


def checked_name(name: str) -> str:
    """The name of a model where nothing else has looked at it; Invalid if it can be none."""
    if not 0 < len(name) <= _LONGEST_NAME:
        raise Invalid(f"model: a name has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    if not storable(name):
        raise Invalid(f"model: {name!r} holds a character that is no text")
    return name
