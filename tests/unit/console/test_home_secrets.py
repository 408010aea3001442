"""Keys in the home, who calls, and when a service without accounts may listen."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from console.caller import Caller, caller
from console.client import connect
from console.exposure import exposure, is_local, require_decision
from console.owner import keep, kept_key, new_owner
from console.settings import Settings, load_settings
from registry.adapters.private_files import keep_private
from registry.domain.errors import Invalid


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_the_owners_key_is_readable_by_the_owner_only_and_new_at_each_start(tmp_path: Path):
    first, second = new_owner(), new_owner()
    (tmp_path / "owner.key").write_text("left behind")
    keep(first, tmp_path)
    assert (kept_key(tmp_path), mode(tmp_path / "owner.key")) == (first.key, 0o600)
    keep(second, tmp_path)
    assert kept_key(tmp_path) == second.key != first.key
    assert [file.name for file in tmp_path.iterdir()] == ["owner.key"]
    assert first.key not in repr(first)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null"])
def test_a_broken_key_file_is_no_key(tmp_path: Path, content: str):
    assert kept_key(tmp_path) is None
    (tmp_path / "owner.key").write_text(content)
    assert kept_key(tmp_path) is None


def test_a_secret_of_the_home_is_made_once_whoever_comes_first(tmp_path: Path):
    file = tmp_path / "home" / "secret.key"
    given: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: given.append(keep_private(file, f"secret {n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(given) == {file.read_text()}
    assert mode(file) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_without_a_key_the_service_is_told_a_name():
    assert Caller("ada").headers() == {"X-Stagegate-Actor": "ada"}


def test_with_a_key_only_a_name_that_was_chosen_goes_along():
    bearer = {"Authorization": "Bearer sgk_1"}
    assert Caller("ada", key="sgk_1").headers() == bearer
    assert Caller("ada").headers("sgk_1") == bearer
    chosen = Caller("grace", chosen=True, key="sgk_1").headers("sgk_2")
    assert chosen == bearer | {"X-Stagegate-Actor": "grace"}


def test_what_is_no_key_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGEGATE_API_KEY", "my password")
    with pytest.raises(Invalid, match="STAGEGATE_API_KEY holds no key") as caught:
        caller()
    assert "my password" not in str(caught.value)


class Listener(HTTPServer):
    """A service that only remembers what headers it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Remember)
        self.heard: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Remember(BaseHTTPRequestHandler):
    """Answers {} to everything."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.heard.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_homes_key_goes_to_the_homes_service_and_to_no_other(
    tmp_path: Path, listener: Listener
):
    settings, owner = Settings(home=tmp_path), new_owner()
    keep(owner, tmp_path)
    document = {"url": listener.url, "pid": os.getpid()}
    (tmp_path / "service.json").write_text(json.dumps(document))
    for server in (None, listener.url):
        with connect(settings, server, Caller("ada")) as client:
            client.get("/v1/me")
    assert listener.heard == [f"Bearer {owner.key}", None]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("build-7", False)),  # noqa: S104
    ],
)
def test_what_only_this_machine_reaches_is_known(host: str, local: bool):
    assert is_local(host) is local


def test_a_service_that_strangers_reach_needs_a_decision_about_accounts():
    with pytest.raises(Invalid, match="STAGEGATE_AUTH=on"):
        require_decision(Settings(host="0.0.0.0"))  # noqa: S104
    for decided in ({"auth": "off"}, {"auth": "on"}, {"host": "127.0.0.1"}):
        require_decision(Settings(**{"host": "0.0.0.0"} | decided))  # noqa: S104


def test_what_everybody_may_do_is_said_only_where_they_may():
    assert "under any name" in exposure(Settings(auth="off"))
    assert exposure(Settings(auth="on")) == ""


@pytest.mark.parametrize("url", ["foo", "ftp://host", "https://", "https://host/path"])
def test_a_public_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("STAGEGATE_PUBLIC_URL", url)
    with pytest.raises(Invalid, match="STAGEGATE_PUBLIC_URL"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ISSUER", "http://id.example"), ("ISSUER", "https://id.example"), ("ROLES", "ml=owner")],
)
def test_half_a_provider_or_a_wrong_one_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(f"STAGEGATE_OIDC_{name}", value)
    with pytest.raises(Invalid, match="STAGEGATE_OIDC_"):
        load_settings()


def test_no_secret_of_the_settings_is_printed():
    assert "hidden" not in repr(Settings(secret_key="hidden"))
