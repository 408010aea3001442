"""The settings, read from environment variables with the prefix STAGEGATE_."""

import difflib
import os
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from console.hosts import Hosts, hosts
from registry.domain.errors import Invalid
from registry.domain.login import Lasting
from registry.domain.provider import ClaimRules, parse_roles
from serving.domain.review import LONGEST_WINDOW


class Settings(BaseSettings):
    """What can be set; the README's table documents each."""

    model_config = SettingsConfigDict(env_prefix="STAGEGATE_", extra="ignore", frozen=True)

    home: Path = Path(".stagegate")
    database_url: str = ""
    mlflow_tracking_uri: str = ""
    artifact_root: str = ""
    payload_root: str = ""
    payload_days: int = Field(0, ge=0, le=36_500)
    host: str = "127.0.0.1"
    port: int = Field(8800, ge=0, le=65_535)
    grpc_port: int = Field(0, ge=0, le=65_535)
    workers: int = Field(1, ge=1, le=64)
    memory_bytes: int = Field(0, ge=0)
    torch_threads: int = Field(1, ge=1, le=256)
    engine: Literal["own", "ray"] = "own"
    ray_min_replicas: int = Field(1, ge=1, le=64)
    ray_processors: float = Field(1.0, gt=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    auth: Literal["on", "off"] = "off"
    secret_key: SecretStr = SecretStr("")
    public_url: str = ""
    allowed_hosts: str = ""
    trusted_proxies: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_scopes: str = "openid profile email"
    oidc_name_claim: str = "preferred_username"
    oidc_role_claim: str = "roles"
    oidc_roles: str = ""
    oidc_label: str = "single sign-on"
    session_idle_minutes: float = Field(120, gt=0)
    session_max_minutes: float = Field(840, gt=0)
    max_upload_bytes: int = Field(20 * 2**20, gt=0)
    max_image_pixels: int = Field(50_000_000, gt=0)
    batch_max_size: int = Field(32, ge=1, le=1024)
    lease_seconds: float = Field(600.0, ge=1, le=86_400)
    undo_seconds: float = Field(5.0, ge=0, le=LONGEST_WINDOW.total_seconds())
    batch_max_delay_ms: float = Field(2.0, ge=0, le=1000)

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        if home.is_file():
            raise ValueError(f"{home} is a file; name a folder")
        return home.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _sqlalchemy_url(cls, url: str) -> str:
        if url and not url.startswith(
            ("sqlite:///", "postgresql://", "postgresql+", "postgres://")
        ):
            raise ValueError("write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return url

    @field_validator("public_url")
    @classmethod
    def _origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.path > "/"):
            raise ValueError("write what stands in people's browsers, https://HOST, without a path")
        return url.rstrip("/")

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, text: str) -> str:
        for name in _listed(text):
            if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name, re.IGNORECASE):
                raise ValueError(f"{name!r} is no name; write for example review.example.org")
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        for one in _listed(text):
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(
                    f"{one!r} is no address or network; write for example 10.0.0.0/8"
                ) from error
        return text

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, url: str) -> str:
        parts = urlsplit(url)
        here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if url and not (parts.netloc and (parts.scheme == "https" or here)):
            raise ValueError("write https://HOST/..., as the provider's own description has it")
        return url

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        if bool(self.oidc_issuer) is not bool(self.oidc_client_id):
            raise ValueError("STAGEGATE_OIDC_ISSUER and STAGEGATE_OIDC_CLIENT_ID need each other")
        return self

    @field_validator("oidc_roles")
    @classmethod
    def _known_roles(cls, text: str) -> str:
        try:
            parse_roles(text)
        except Invalid as error:
            raise ValueError(str(error)) from error
        return text

    @property
    def claim_rules(self) -> ClaimRules:
        """How the provider's claims are read."""
        return ClaimRules(self.oidc_name_claim, self.oidc_role_claim, parse_roles(self.oidc_roles))

    @property
    def hosts(self) -> Hosts:
        """The names under which browsers may reach a service without accounts."""
        allowed = _listed(self.allowed_hosts)
        return hosts(allowed=allowed, public_url=self.public_url, listening=self.host)

    @property
    def proxies(self) -> tuple[str, ...]:
        """Who may say for whom a request comes."""
        return _listed(self.trusted_proxies)

    @property
    def accounts(self) -> bool:
        """Whether people have to say who they are."""
        return self.auth == "on"

    @property
    def lasting(self) -> Lasting:
        """How long a login lasts."""
        idle, most = self.session_idle_minutes, self.session_max_minutes
        return Lasting(timedelta(minutes=idle), timedelta(minutes=most))

    @property
    def database(self) -> str:
        """The URL of the database; SQLite below the home unless one is given."""
        return self.database_url or f"sqlite:///{self.home}/stagegate.db"

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps its records."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home}/mlflow.db"

    @property
    def artifacts(self) -> str:
        """Where MLflow keeps its artifacts; a server has a place of its own that all can reach."""
        has_server = self.mlflow_tracking_uri.startswith("http")
        return self.artifact_root or ("" if has_server else f"file://{self.home}/artifacts")

    @property
    def payloads(self) -> str:
        """Where the bodies of requests are kept: any fsspec URL."""
        return self.payload_root or f"file://{self.home}/payloads"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# Read by the command line itself, not by the service.
_OTHER_NAMES = frozenset({"STAGEGATE_ACTOR", "STAGEGATE_API_KEY"})


def load_settings(**given: object) -> Settings:
    """The settings of this process; Invalid names each variable that is wrong and why."""
    _refuse_unknown_names()
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(_fault(one["loc"], one["msg"]) for one in error.errors())
        raise Invalid(f"{wrong}. The README's table of settings says what each takes.") from error


def _fault(place: tuple[int | str, ...], message: str) -> str:
    """One sentence; what is wrong with several variables together names them itself."""
    said = message.removeprefix("Value error, ")
    return f"STAGEGATE_{'_'.join(map(str, place)).upper()}: {said}" if place else said


def _refuse_unknown_names() -> None:
    """A misspelt variable must not leave the service on a default."""
    known = {f"STAGEGATE_{name.upper()}" for name in Settings.model_fields} | _OTHER_NAMES
    for name in sorted(os.environ):
        if name.startswith("STAGEGATE_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = (
                f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
            )
            raise Invalid(f"there is no setting {name}{hint}")
