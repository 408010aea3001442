"""Secrets that this service gives out, and the hashes by which it knows them again."""

import hashlib
import hmac
import secrets

API_KEY_START = "sgk_"
_PREFIX = 12


def new_token() -> str:
    """256 random bits, as text for a cookie or a header."""
    return secrets.token_urlsafe(32)


def new_api_key() -> str:
    """A key for a program; its start lets scanners of leaked secrets know it."""
    return API_KEY_START + new_token()


def prefix(api_key: str) -> str:
    """What a key is called: enough to tell it from others, far too little to guess it."""
    return api_key[:_PREFIX]


def digest(token: str) -> str:
    """What is stored of a token. It is random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_token(session_token: str) -> str:
    """What our own pages send along, and a page elsewhere cannot know; it says nothing of the
    session's token."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(one.encode(), other.encode())


def veiled(secret: bytes, text: str) -> str:
    """A text of few possible values, such as an address, as what nobody can guess it from."""
    return hmac.new(secret, text.encode(errors="replace"), hashlib.sha256).hexdigest()
