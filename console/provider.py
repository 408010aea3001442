"""Logging in through an OpenID provider: authorization code with PKCE, state and nonce."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from registry.domain.errors import Forbidden, Unavailable

# Signatures that only the provider's private key can make; never "none" or a shared secret.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_TIMEOUT_SECONDS = 10
_KEEP_SECONDS = 3600
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login on its way: what its answer must fit."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class OpenIdProvider:
    """One provider, known by its issuer; its description and keys are fetched and kept an hour."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scopes: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._kept: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def begin(self, redirect_uri: str, attempt: Attempt) -> str:
        """Where to send a browser."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        url = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            self._client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=self._scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return str(url)

    def finish(self, redirect_uri: str, code: str, attempt: Attempt) -> Mapping[str, Any]:
        """The checked claims of whoever logged in; Forbidden if anything does not fit."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._client_id,
            "code_verifier": attempt.verifier,
        }
        return self._claims(self._token(form), attempt.nonce)

    def _token(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        import httpx

        # RFC 6749, section 2.3.1: encoded before they are joined; %20, since not all read a plus.
        known = quote(self._client_id, ""), quote(self._client_secret, "")
        with self._reaching():
            answer = httpx.post(
                self._endpoint("token_endpoint"),
                data=dict(form),
                auth=known if self._client_secret else None,
                timeout=_TIMEOUT_SECONDS,
            )
            document = answer.json() if answer.status_code < 500 else {}
        if answer.status_code != 200 or "id_token" not in document:
            why = document.get("error") or f"it answered {answer.status_code} without an ID token"
            raise Forbidden(f"{self.issuer} does not say who you are ({why}); log in again")
        return dict(document)

    def _claims(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        try:
            found = self._decode(str(token["id_token"]))
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self._client_id},
            }
            params = {
                "nonce": nonce,
                "client_id": self._client_id,
                "access_token": token.get("access_token"),
            }
            claims = CodeIDToken(found.claims, found.header, options, params)
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError) as error:
            raise Forbidden(
                f"the ID token of {self.issuer} is not right ({error}); log in again, and if that "
                "does not help, compare the clocks and the settings of both sides"
            ) from error
        return dict(found.claims)

    def _decode(self, id_token: str) -> Any:
        """The token with its signature checked; keys may have changed since they were fetched."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError
        from joserfc.jwk import KeySet

        def decode() -> Any:
            document: Any = dict(self._document(self._endpoint("jwks_uri")))
            keys = KeySet.import_key_set(document)
            return jwt.decode(id_token, keys, algorithms=list(_ALGORITHMS))

        try:
            return decode()
        except InvalidKeyIdError:
            self._kept.pop(self._endpoint("jwks_uri"), None)
            return decode()

    def _endpoint(self, name: str) -> str:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        description = self._document(address)
        if description.get("issuer") != self.issuer:
            raise Unavailable(
                f"{address} describes {description.get('issuer')!r}, not {self.issuer!r}; correct "
                "STAGEGATE_OIDC_ISSUER"
            )
        found = description.get(name)
        if not isinstance(found, str):
            raise Unavailable(f"{address} names no {name}")
        return found

    def _document(self, address: str) -> Mapping[str, Any]:
        import httpx

        at, kept = self._kept.get(address, (0.0, {}))
        if kept and time.monotonic() - at < _KEEP_SECONDS:
            return kept
        with self._reaching():
            answer = httpx.get(address, timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
            fetched: Mapping[str, Any] = answer.json()
        if not isinstance(fetched, Mapping):
            raise Unavailable(f"{address} is no JSON object")
        self._kept[address] = (time.monotonic(), fetched)
        return fetched

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unavailable(
                f"{self.issuer} cannot be reached just now ({error}); log in with a password, or "
                "try again shortly"
            ) from error
