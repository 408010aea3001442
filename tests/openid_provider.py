"""A real OpenID provider on a port of this machine: authlib's server, RS256, PKCE required."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT_ID = "stagegate"
CLIENT_SECRET = "a secret: of + the client"


@dataclass
class Code:
    """A code that was given out."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str | None
    user: dict[str, Any]
    code_challenge: str | None
    code_challenge_method: str | None
    acr: str | None = None
    amr: list[str] | None = None
    at: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.at

    def get_acr(self) -> str | None:
        return self.acr

    def get_amr(self) -> list[str] | None:
        return self.amr


class Client:
    """The one program that may ask, at the addresses that it registered."""

    client_id = CLIENT_ID
    id_token_signed_response_alg = "RS256"

    def __init__(self, redirect_uris: list[str]) -> None:
        self.redirect_uris = redirect_uris

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Provider:
    """What the provider knows; tests change whom it logs in and what it says of them."""

    def __init__(self) -> None:
        self.issuer = ""
        self.client = Client([])
        self.user: dict[str, Any] = {}
        self.said: dict[str, Any] = {}  # claims that replace the right ones
        self.codes: dict[str, Code] = {}
        self.key = self.signing_key = self.new_key()

    @staticmethod
    def new_key() -> RSAKey:
        return RSAKey.generate_key(2048, parameters={"alg": "RS256", "use": "sig"}, auto_kid=True)

    def rotate(self) -> None:
        """Sign with a new key, and publish only that."""
        self.key = self.signing_key = self.new_key()

    def app(self) -> Flask:
        app = Flask(__name__)
        server = AuthorizationServer(
            app, query_client=self._client, save_token=lambda token, request: None
        )
        server.register_grant(_grant(self), [_openid(self), CodeChallenge(required=True)])

        @app.get("/authorize")
        def authorize() -> Response:
            grant = server.get_consent_grant(end_user=self.user)
            return server.create_authorization_response(grant_user=self.user, grant=grant)

        @app.post("/token")
        def token() -> Response:
            return server.create_token_response()

        @app.get("/jwks")
        def jwks() -> Response:
            return jsonify({"keys": [self.key.as_dict(private=False)]})

        @app.get("/.well-known/openid-configuration")
        def description() -> Response:
            paths = ("authorization_endpoint", "authorize"), ("token_endpoint", "token")
            found = {name: f"{self.issuer}/{path}" for name, path in (*paths, ("jwks_uri", "jwks"))}
            return jsonify({"issuer": self.issuer, **found})

        return app

    def _client(self, client_id: str) -> Client | None:
        return self.client if client_id == CLIENT_ID else None


def _grant(provider: Provider) -> type[grants.AuthorizationCodeGrant]:
    class Grant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            provider.codes[code] = Code(
                code,
                data["redirect_uri"],
                data["scope"],
                data.get("nonce"),
                dict(request.user),
                data.get("code_challenge"),
                data.get("code_challenge_method"),
            )

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, code: Code) -> None:
            del provider.codes[code.code]

        def authenticate_user(self, code: Code) -> dict[str, Any]:
            return code.user

    return Grant


def _openid(provider: Provider) -> OpenIDCode:
    class OpenId(OpenIDCode):
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Client) -> Any:
            return provider.signing_key

        def get_encode_header(self, client: Client) -> dict[str, Any]:
            return super().get_encode_header(client) | {"kid": provider.signing_key.kid}

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": provider.issuer, "aud": [CLIENT_ID]}

        def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
            return UserInfo(user | provider.said)

    return OpenId()


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider on a port of its own, until the end."""
    made = Provider()
    server = make_server("127.0.0.1", 0, made.app(), threaded=True)
    made.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
