"""The whole application with accounts on, on a database of its own, and people to ask it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.testclient import TestClient

from console.app import create_app
from console.migrate import upgrade
from console.owner import new_owner
from console.settings import Settings
from registry.adapters.passwords import Argon2Passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
ORIGIN = {"Origin": "http://testserver"}


class World:
    """The application, and the key with which everything may be done."""

    def __init__(self, app: FastAPI, client: TestClient, owner_key: str) -> None:
        self.app = app
        self.client = client
        self.owner = bearer(owner_key)
        self.client_address = ("testclient", 50000)  # from where browsers come

    def add(self, name: str, role: str, password: str | None = None, **more: object) -> None:
        """Somebody new."""
        body = {"name": name, "role": role, "password": password, **more}
        answer = self.client.post("/v1/people", json=body, headers=self.owner)
        assert answer.status_code == 201, answer.text

    def key(self, person: str, **more: object) -> dict[str, str]:
        """The header with a new key of somebody."""
        body = {"person": person, **more}
        answer = self.client.post("/v1/keys", json=body, headers=self.owner)
        assert answer.status_code == 201, answer.text
        return bearer(answer.json()["key"])

    @contextmanager
    def browser(self, base_url: str = "http://testserver") -> Iterator[TestClient]:
        """A browser without a cookie."""
        place = self.client_address
        yield TestClient(self.app, base_url=base_url, follow_redirects=False, client=place)

    @contextmanager
    def logged_in(self, name: str) -> Iterator[TestClient]:
        """A browser of somebody who has logged in."""
        with self.browser() as browser:
            answer = log_in(browser, name)
            assert answer.status_code == 303, answer.text
            yield browser


def log_in(browser: TestClient, name: str, password: str = PASSWORD, **fields: str):
    """Send the form of the login page."""
    data = {"name": name, "password": password, **fields}
    return browser.post("/login", data=data, headers={"Origin": str(browser.base_url)})


def bearer(key: str) -> Mapping[str, str]:
    """The header that brings a key."""
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def world(home: Path, **settings: object) -> Iterator[World]:
    """The application on a new SQLite database."""
    made = Settings(home=home, auth="on", **settings)
    upgrade(made.database)
    owner = new_owner()
    app = create_app(made, owner=owner)
    # The wiring makes each part when it is first asked for; this one is there already.
    vars(app.state.wiring)["passwords"] = Argon2Passwords(CHEAP)
    with TestClient(app, follow_redirects=False) as client:
        yield World(app, client, owner.key)
