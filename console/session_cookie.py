"""The cookie that holds a session's token: for this site only, and no script can read it."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from registry.domain.login import Lasting

_PLAIN = "stagegate_session"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How the cookie is called and kept; `always_secure` where the public address is https."""

    lasting: Lasting
    always_secure: bool = False

    def read(self, request: Request) -> str:
        """The token that a browser brings; empty without one."""
        return request.cookies.get(self._name(request), "")

    def give(self, request: Request, response: Response, token: str) -> None:
        """Have the browser keep a token, no longer than the session can last."""
        response.set_cookie(
            self._name(request),
            token,
            max_age=int(self.lasting.at_most.total_seconds()),
            path="/",
            secure=self.is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def take(self, request: Request, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self._name(request),
            path="/",
            secure=self.is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def is_secure(self, request: Request) -> bool:
        """Whether this browser speaks https with us, or with the proxy before us."""
        return self.always_secure or request.url.scheme == "https"

    def _name(self, request: Request) -> str:
        """Over https a name that browsers take from this very host only."""
        return f"__Host-{_PLAIN}" if self.is_secure(request) else _PLAIN
