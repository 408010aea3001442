"""Without a key of the sender's own, what is said names it: all of it."""

from itertools import combinations

from serving.api.review_bodies import CommentBody, DecisionBody

LONG = "x" * 255


def test_only_what_is_the_same_has_the_same_key():
    bodies = [
        DecisionBody(epoch=epoch, label=label, revise=revise)
        for epoch in (1, 2)
        for label in (None, "None", "metal", f"{LONG}a", f"{LONG}b")
        for revise in (False, True)
    ]
    for one, other in combinations(bodies, 2):
        first, second = (body.verdict("item", "a" * 128) for body in (one, other))
        assert first.idempotency_key != second.idempotency_key
    again = [DecisionBody(epoch=1, label="metal").verdict("item", "ann") for _ in range(2)]
    assert again[0] == again[1]


def test_the_senders_own_key_goes_before():
    assert (
        DecisionBody(epoch=1, label="a", idempotency_key="k").verdict("i", "a").idempotency_key
        == "k"
    )
    assert CommentBody(text="torn", idempotency_key="k").passing("i", "a").idempotency_key == "k"
    assert CommentBody(text="torn").passing("i", "a") == CommentBody(text="torn").passing("i", "a")
