"""Logins through an OpenID provider, from leaving for it to a session here.

Anybody may leave for it, so nothing of that is stored here: the browser keeps a signed pass, and
what the provider's answer must fit is derived from it. Only those who have come back are.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from console.accounts import Accounts
from console.provider import Attempt, OpenIdProvider
from console.provider_pass import Pass, issued, passed
from registry.adapters.tokens import digest, new_token, same
from registry.domain.errors import Forbidden
from registry.domain.provider import ClaimRules, account
from registry.services.provider import welcome

AWAY_AT_MOST = timedelta(minutes=10)
_STALE = "this login was begun elsewhere, too long ago, or is used already; log in again"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ProviderDoor:
    """Implements console.web.entrance.Door; its methods may wait for the network."""

    label: str
    provider: OpenIdProvider
    rules: ClaimRules
    accounts: Accounts

    def leave(self, redirect_uri: str, back: str) -> tuple[str, str]:
        """Where to send a browser, and the pass that it has to keep meanwhile."""
        away = Pass(new_token(), back, self.accounts.clock() + AWAY_AT_MOST)
        url = self.provider.begin(redirect_uri, self._attempt(away.state))
        return url, issued(away, self.accounts.veil)

    def come_back(
        self, redirect_uri: str, state: str, kept: str, code: str, address: str
    ) -> tuple[str, str]:
        """The token of a new session, and where the login was to lead; Forbidden if it is not one.

        The state must be that of the pass which this browser keeps: nobody can be logged in as
        somebody else by an address that they were given.
        """
        away = passed(kept, self.accounts.veil, self.accounts.clock())
        if away is None or not same(state, away.state):
            raise Forbidden(_STALE)
        claims = self.provider.finish(redirect_uri, code, self._attempt(away.state))
        found = account(self.provider.issuer, claims, self.rules)
        with self.accounts.writing() as unit:
            now = self.accounts.clock()
            if not unit.provider_logins.use(digest(away.state), away.until, now):
                raise Forbidden(_STALE)
            person = welcome(unit, found, now)
        return self.accounts.begin(person, address), away.next

    def _attempt(self, state: str) -> Attempt:
        """Nobody who sees the state, the provider's address say, can tell the other two from it."""
        veil = self.accounts.veil
        return Attempt(state, veil(f"nonce of {state}"), veil(f"verifier of {state}"))
