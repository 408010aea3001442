"""Messages to other programs: their words, their signatures, and when they are tried again."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from registry.domain.errors import Invalid
from registry.domain.webhooks import (
    Answer,
    Delivery,
    Endpoint,
    Form,
    body_of,
    checked_url,
    event_type,
    headers,
    is_due,
    knock_again,
    next_try,
    patterns,
    secret_of,
    sign,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = {"sequence": 7, "hash": "sha256:7"}
PAYLOAD = {
    "event": "rolled-back",
    "model": "bears",
    "version": 2,
    "sentence": "bears@2 was rolled back: 5 < 7 & more",
}


def an_endpoint(**changes: object) -> Endpoint:
    values = {
        "id": "e1",
        "url": "https://hooks.example.org/services/T0/secret",
        "form": Form.STANDARD,
        "secret": secret_of(b"a" * 32),
        "events": (),
        "models": (),
        "created_by": "ada",
        "created_at": NOW,
    }
    return Endpoint(**(values | changes))


def a_delivery(**changes: object) -> Delivery:
    values = {
        "id": 1,
        "endpoint_id": "e1",
        "message_id": "msg_1",
        "type": "rollout.live",
        "model": "bears",
        "body": "{}",
        "created_at": NOW,
        "next_at": NOW,
    }
    return Delivery(**(values | changes))


def test_the_signature_is_the_one_of_the_specifications_own_example():
    """libraries/go/webhook_test.go of standard-webhooks/standard-webhooks, TestWebhookSign."""
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = sign(secret, message, "1614265330", '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_follows_the_formula():
    secret = secret_of(bytes(range(32)))
    assert base64.b64decode(secret.removeprefix("whsec_")) == bytes(range(32))
    content = b'msg_1.1795435200.{"a":1}'
    expected = hmac.new(bytes(range(32)), content, hashlib.sha256).digest()
    assert sign(secret, "msg_1", "1795435200", '{"a":1}') == (
        "v1," + base64.b64encode(expected).decode()
    )


@pytest.mark.parametrize("known", [0, 1])
def test_the_published_verifier_accepts_each_secret_while_they_change(known: int):
    now = datetime.now(UTC)
    endpoint = an_endpoint(
        old_secret=secret_of(b"b" * 32), old_secret_until=now + timedelta(hours=1)
    )
    secrets = endpoint.secrets(now)
    body = body_of(Form.STANDARD, "rollout.live", PAYLOAD, now, HEAD)
    sent = headers(secrets, "msg_1", body, now)
    assert Webhook(secrets[known]).verify(body, sent)["data"]["sentence"] == PAYLOAD["sentence"]
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[known]).verify(body + " ", sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(b"c" * 32)).verify(body, sent)


def test_an_old_secret_signs_no_longer_than_was_said():
    endpoint = an_endpoint(old_secret=secret_of(b"b" * 32), old_secret_until=NOW)
    assert endpoint.secrets(NOW) == (endpoint.secret,)
    assert len(endpoint.secrets(NOW - timedelta(seconds=1))) == 2


def test_a_message_has_type_time_and_data_and_the_end_of_the_log():
    document = json.loads(body_of(Form.STANDARD, "rollout.rolled_back", PAYLOAD, NOW, HEAD))
    assert document == {
        "type": "rollout.rolled_back",
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {
            "model": "bears",
            "version": 2,
            "sentence": PAYLOAD["sentence"],
            "audit_head": HEAD,
        },
    }


def test_a_chat_gets_the_sentence_and_no_markup_of_it():
    body = body_of(Form.SLACK, "rollout.rolled_back", PAYLOAD, NOW, HEAD)
    assert json.loads(body) == {"text": "bears@2 was rolled back: 5 &lt; 7 &amp; more"}
    bare = body_of(Form.SLACK, "prediction.amended", {"model": "bears", "version": 2}, NOW, HEAD)
    assert json.loads(bare) == {"text": "prediction.amended: bears@2"}


@pytest.mark.parametrize(
    ("event", "type_"),
    [
        ("live", "rollout.live"),
        ("waiting-for-approval", "rollout.waiting_for_approval"),
        ("prediction.amended", "prediction.amended"),
    ],
)
def test_an_event_has_a_type_in_the_specifications_letters(event: str, type_: str):
    assert event_type(event) == type_


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ((), True),
        (("live",), True),
        (("rollout.*",), True),
        (("*",), True),
        (("held", "prediction.*"), False),
    ],
)
def test_an_endpoint_is_told_only_of_what_it_asked_for(events: tuple[str, ...], wanted: bool):
    assert an_endpoint(events=patterns(events)).wants("rollout.live", "bears") is wanted


def test_an_endpoint_of_some_models_hears_nothing_of_the_others():
    endpoint = an_endpoint(models=("be*",))
    assert endpoint.wants("rollout.live", "bears")
    assert not endpoint.wants("rollout.live", "waste")


def test_nothing_that_people_read_shows_a_secret():
    endpoint = an_endpoint()
    assert endpoint.origin == "https://hooks.example.org"
    assert "secret" not in repr(endpoint).replace("old_secret", "")
    assert "T0" not in repr(endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x", "file:///etc/passwd", "example.org/x", "https://", "http://[::1",
        "https://a:b@example.org/", "https://example.org/\nHost: x", "https://example.org:0/",
        "https://exämple.org/", "https://example.org:99999/", "https://e.org/" + "x" * 2000,
        "https://a..b/", "https://" + "a" * 64 + ".org/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str):
    with pytest.raises(Invalid):
        checked_url(url)


def test_the_delays_are_those_of_the_specification_and_then_it_is_enough():
    delivery, now, starts = a_delivery(), NOW, []
    while True:
        starts.append(now - NOW)
        again = next_try(delivery, Answer(500, "HTTP 500"), now)
        if again is None:
            break
        delivery = a_delivery(attempts=delivery.attempts + 1, first_tried_at=NOW, tried_at=now)
        now = again
    assert [str(start) for start in starts] == [
        "0:00:00", "0:00:05", "0:05:05", "0:35:05", "2:35:05", "7:35:05", "17:35:05",
        "1 day, 7:35:05", "2 days, 3:35:05", "3 days, 3:35:05",
    ]  # fmt: skip


def test_an_endpoint_may_ask_for_more_time_but_not_for_ever():
    def wait(hours: float) -> timedelta:
        answer = Answer(429, "HTTP 429", timedelta(hours=hours))
        return next_try(a_delivery(), answer, NOW) - NOW

    assert wait(1) == timedelta(hours=1)
    assert wait(0) == timedelta(seconds=5)
    assert wait(9999) == timedelta(hours=24)


def test_a_new_message_knocks_again_but_not_more_often_than_every_five_minutes():
    far = NOW + timedelta(hours=5)
    assert knock_again(a_delivery(next_at=far, tried_at=NOW - timedelta(hours=1)), NOW) == NOW
    soon = knock_again(a_delivery(next_at=far, tried_at=NOW - timedelta(minutes=1)), NOW)
    assert soon == NOW + timedelta(minutes=4)
    assert knock_again(a_delivery(), NOW) == NOW


def test_only_a_2xx_is_a_success():
    assert [Answer(s, "").accepted for s in (200, 204, 299, 301, 404, 500, None)] == (
        [True] * 3 + [False] * 4
    )


def test_a_clock_set_back_puts_no_message_off_for_as_long() -> None:
    ahead = NOW + timedelta(days=400)
    assert is_due(a_delivery(created_at=ahead, next_at=ahead), NOW)
    tried = {"created_at": NOW, "tried_at": ahead, "next_at": ahead + timedelta(hours=5)}
    assert is_due(a_delivery(**tried), NOW)
    waits = {"created_at": NOW, "tried_at": NOW, "next_at": NOW + timedelta(hours=5)}
    assert not is_due(a_delivery(**waits), NOW + timedelta(hours=4))
    assert not is_due(a_delivery(**waits), NOW - timedelta(seconds=30)), "another replica's clock"
