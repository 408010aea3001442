"""The audit chain finds every event that was edited, removed or moved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.audit_chain import GENESIS, ChainCheck, chained, kept_hash
from registry.domain.audit_chain import verify as verify_all
from registry.domain.errors import Invalid
from registry.domain.evidence import AuditEvent, AuditHead

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def verify(log: list[AuditEvent]) -> ChainCheck:
    head = AuditHead(log[-1].sequence, log[-1].hash) if log else None
    return verify_all(log, head, {})


def a_log(length: int) -> list[AuditEvent]:
    log: list[AuditEvent] = []
    for i in range(length):
        at = NOW + timedelta(seconds=i)
        draft = AuditEvent(0, at, "eve", "looked", "bears", None, None, {"i": i}, "", "")
        log.append(chained(draft, log[-1] if log else None))
    return log


def test_an_untouched_log_is_intact_also_when_it_is_empty() -> None:
    assert verify([]).intact
    found = verify(a_log(5))
    assert (found.intact, found.events, found.broken_at) == (True, 5, None)


@given(
    st.integers(0, 5),
    st.sampled_from(["at", "actor", "action", "model", "version", "rollout_id", "detail"]),
)
def test_an_edit_of_any_field_is_found(index: int, field: str) -> None:
    log = a_log(6)
    edited = NOW - timedelta(days=1) if field == "at" else {"x": 1} if field == "detail" else "9"
    log[index] = replace(log[index], **{field: edited})  # type: ignore[arg-type]
    found = verify(log)
    assert found.broken_at == index + 1
    assert f"event {index + 1} was changed" in found.sentence


@given(st.integers(0, 4))
def test_a_removed_event_is_found(index: int) -> None:
    log = a_log(6)
    del log[index]
    assert not verify(log).intact


@given(st.permutations(range(5)))
def test_any_other_order_is_found(order: list[int]) -> None:
    log = a_log(5)
    assert verify([log[i] for i in order]).intact == (order == sorted(order))


def test_a_forged_event_with_a_fitting_hash_breaks_the_link_behind_it() -> None:
    log = a_log(3)
    forged = replace(log[1], actor="mallory")
    log[1] = chained(forged, log[0])
    assert verify(log).broken_at == 3


def test_the_hash_does_not_depend_on_the_zone_that_a_moment_is_written_in() -> None:
    (event,) = a_log(1)
    elsewhere = replace(event, at=event.at.astimezone(timezone(timedelta(hours=5))))
    assert verify([elsewhere]).intact


@given(st.integers(1, 5))
def test_a_log_whose_end_was_cut_off_is_missed_by_its_head(cut: int) -> None:
    log = a_log(6)
    head = AuditHead(6, log[-1].hash)
    found = verify_all(log[:-cut], head, {})
    assert found.broken_at == 7 - cut
    assert found.sentence.endswith(f"it ends with event {6 - cut}, and event 6 was written")
    assert not verify_all([], head, {}).intact
    assert not verify_all(log, None, {}).intact
    assert not verify_all(log, AuditHead(6, log[0].hash), {}).intact


def test_a_log_that_was_cut_together_with_its_head_is_missed_by_its_rollouts() -> None:
    def change(generation: int, last: AuditEvent | None) -> AuditEvent:
        detail = {"generation": generation}
        draft = AuditEvent(0, NOW, "eve", "moved", "bears", 1, "r1", detail, "", "")
        return chained(draft, last)

    first = change(1, None)
    second = change(2, first)
    whole = verify_all([first, second], AuditHead(2, second.hash), {"r1": 2})
    assert whole.intact
    cut = verify_all([first], AuditHead(1, first.hash), {"r1": 2})
    assert not cut.intact
    assert "rollout r1 is at generation 2, and its last change in the log is 1" in cut.sentence
    assert not verify_all([], None, {"r1": 1}).intact


def test_a_log_that_was_cut_off_with_its_head_is_found_by_a_hash_that_was_kept() -> None:
    log = a_log(6)
    cut = log[:4]
    head = AuditHead(4, cut[-1].hash)
    assert verify_all(cut, head, {}).intact
    found = verify_all(cut, head, {}, log[-1].hash)
    assert not found.intact
    assert found.contains_expected is False
    assert found.broken_at is None
    assert found.sentence.startswith(f"the audit log does not contain {log[-1].hash}: ")
    assert "broken" not in found.sentence
    for event in log:
        met = verify_all(log, AuditHead(6, log[-1].hash), {}, event.hash)
        assert (met.intact, met.contains_expected) == (True, True)
        assert met.sentence.endswith(f"the hash that you kept, of event {event.sequence}")
    assert verify_all(log, AuditHead(6, log[-1].hash), {}, GENESIS).contains_expected


def test_a_chain_that_is_broken_says_so_whatever_hash_was_kept() -> None:
    log = a_log(3)
    log[1] = replace(log[1], actor="mallory")
    found = verify_all(log, AuditHead(3, log[-1].hash), {}, log[0].hash)
    assert (found.intact, found.broken_at, found.contains_expected) == (False, 2, None)
    assert found.sentence.startswith("the audit log is broken: ")


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:00", "0" * 63, "0" * 65, "g" * 64])
def test_a_hash_that_was_mistyped_is_no_hash(text: str) -> None:
    with pytest.raises(Invalid, match=r"is no SHA-256 \(\d+ characters, where 64 hex digits"):
        kept_hash(text)


def test_a_hash_is_the_same_with_and_without_its_prefix_and_in_capitals() -> None:
    digits = "0123456789abcdef" * 4
    texts = (digits, f"sha256:{digits}", f" SHA256:{digits.upper()} ")
    assert {kept_hash(text) for text in texts} == {f"sha256:{digits}"}


def test_a_log_that_was_written_anew_is_found_by_a_hash_that_was_kept() -> None:
    log = a_log(3)
    anew = [chained(replace(log[0], actor="mallory"), None)]
    anew += [chained(log[1], anew[0])]
    anew += [chained(log[2], anew[1])]
    head = AuditHead(3, anew[-1].hash)
    assert verify_all(anew, head, {}).intact
    assert not verify_all(anew, head, {}, log[-1].hash).intact
