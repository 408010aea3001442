"""What the pages ask of those who know the people: logging in here, or through a provider."""

from dataclasses import dataclass
from typing import Protocol

from fastapi import Request

from console.session_cookie import SessionCookie
from registry.domain.people import Identity


class Logins(Protocol):
    """The accounts of this service."""

    def log_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session; Unauthenticated or TooManyAttempts."""

    def log_out(self, token: str) -> None:
        """End a session."""

    def of_session(self, token: str, *, used: bool) -> Identity | None:
        """Whose session it is."""


class Door(Protocol):
    """Accounts at an OpenID provider."""

    @property
    def label(self) -> str:
        """What people call the provider."""

    def leave(self, redirect_uri: str, back: str) -> tuple[str, str]:
        """Where to send a browser, and the pass that it has to keep meanwhile."""

    def come_back(
        self, redirect_uri: str, state: str, kept: str, code: str, address: str
    ) -> tuple[str, str]:
        """The token of a new session and where the login was to lead; Forbidden if it is none."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """The ways in; `public_url` is what browsers see where a proxy stands before us."""

    logins: Logins
    cookie: SessionCookie
    door: Door | None = None
    public_url: str = ""

    def address(self, request: Request, path: str) -> str:
        """A path here, as somebody elsewhere has to write it."""
        return (self.public_url or str(request.base_url).rstrip("/")) + path


def caller_address(request: Request) -> str:
    """The network address that a request comes from."""
    return request.client.host if request.client else ""
