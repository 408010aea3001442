"""Names under which a service without accounts may be reached by a browser."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from console.hosts import Hosts, hosts
from console.same_origin import SameOrigin
from console.settings import load_settings
from registry.domain.errors import Forbidden, Invalid

OURS = hosts(allowed=["Review.Example.org"], public_url="https://gate.example.org", listening="")


@pytest.mark.parametrize(
    "header",
    [None, "localhost:8800", "127.0.0.1:8800", "[::1]:8800", "192.168.1.20", "stagegate:8800",
     "demo.localhost", "review.example.org", "REVIEW.example.org:8800", "gate.example.org"],
)  # fmt: skip
def test_addresses_plain_names_and_our_own_names_pass(header: str | None):
    OURS.check(header)


@pytest.mark.parametrize(
    "header",
    ["evil.example", "evil.example:8800", "127.0.0.1.evil.example", "review.example.org.evil.com",
     "evil.example.", "localhost.evil.example", "1.2.3.4.5", "0x7f.1"],
)  # fmt: skip
def test_a_name_that_another_site_can_have_lead_here_is_refused(header: str):
    with pytest.raises(Forbidden, match="STAGEGATE_ALLOWED_HOSTS"):
        OURS.check(header)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rebound_page_reads_and_changes_nothing(method: str):
    app = FastAPI()
    app.add_middleware(SameOrigin, hosts=Hosts())
    app.add_api_route("/", lambda: {"secret": 1}, methods=[method])
    with TestClient(app) as client:
        rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
        refused = client.request(method, "/", headers=rebound)
        assert (refused.status_code, "secret" in refused.text) == (403, False)
        assert client.request(method, "/").status_code == 200


def test_the_settings_say_which_names_and_proxies(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGEGATE_ALLOWED_HOSTS", "a.example.org, b.example.org")
    monkeypatch.setenv("STAGEGATE_TRUSTED_PROXIES", "10.0.0.0/8,192.168.0.2")
    found = load_settings()
    assert {"a.example.org", "b.example.org"} <= found.hosts.named
    assert found.proxies == ("10.0.0.0/8", "192.168.0.2")
    for name, text in (("ALLOWED_HOSTS", "https://a"), ("TRUSTED_PROXIES", "proxy.local")):
        with monkeypatch.context() as context:
            context.setenv(f"STAGEGATE_{name}", text)
            with pytest.raises(Invalid, match=f"STAGEGATE_{name}: .* write for example"):
                load_settings()
