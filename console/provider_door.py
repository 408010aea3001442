"""Logins through an OpenID provider, from leaving for it to a session here."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from console.accounts import Accounts
from console.provider import OpenIdProvider
from registry.adapters.tokens import digest, same
from registry.domain.errors import Forbidden
from registry.domain.login import ProviderLogin
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
        """Where to send a browser, and the state that it has to keep meanwhile."""
        url, attempt = self.provider.begin(redirect_uri)
        now = self.accounts.clock()
        until, state = now + AWAY_AT_MOST, digest(attempt.state)
        login = ProviderLogin(state, attempt.nonce, attempt.verifier, back, until)
        with self.accounts.writing() as unit:
            unit.provider_logins.add(login, now)
        return url, attempt.state

    def come_back(
        self, redirect_uri: str, state: str, kept_state: str, code: str, address: str
    ) -> tuple[str, str]:
        """The token of a new session, and where the login was to lead; Forbidden if it is not one.

        The state must be the one that this browser keeps: nobody can be logged in as somebody
        else by an address that they were given.
        """
        if not state or not same(state, kept_state):
            raise Forbidden(_STALE)
        with self.accounts.writing() as unit:
            login = unit.provider_logins.take(digest(state), self.accounts.clock())
        if login is None:
            raise Forbidden(_STALE)
        claims = self.provider.finish(redirect_uri, code, login.nonce, login.verifier)
        found = account(self.provider.issuer, claims, self.rules)
        with self.accounts.writing() as unit:
            person = welcome(unit, found, self.accounts.clock())
        return self.accounts.begin(person, address), login.next
