"""A certificate holds what its promotions were judged on; whoever edits it is found out."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.certificate import _event_of, certificate_of, document_of, file_bytes
from registry.documents.evidence_record import canonical, digest_of
from registry.domain.assurance import statements
from registry.domain.audit_chain import chained, link
from registry.domain.certificate import check_head, judge_again
from registry.domain.errors import Conflict, StageConflict
from registry.domain.evidence import AuditEvent, AuditHead, CheckKind, ReviewerCheck
from registry.domain.evidence_log import judge_log
from registry.domain.retrace import PROMOTIONS, Broken
from registry.services import control
from registry.services.approve import approve
from registry.services.certify import certify
from registry.services.judge import judge, read_log
from registry.services.promote import promote
from registry.services.tick import tick

pytestmark = pytest.mark.integration

Document = dict[str, Any]

OBSERVED = (
    PLAN.replace("sample: 1.0}", "sample: 1.0, gold: 0.02}")
    .replace("{type: drift}]", "{type: drift}, {type: gold, at_least: 0.5}]")
    .replace(
        "where: {site: [ranger-7]}",
        "where: {site: [ranger-7]}, until: 2027-01-31, at_most: 500/day",
    )
)
APPROVED = OBSERVED.replace(
    "  deadline: {after: 30d", "  advance: {approvals: 1}\n  deadline: {after: 30d"
)


def promoted(world: World, **options: Any) -> None:
    world.do(lambda unit: promote(unit, "bears", "bob", world.now, **options))


def approved(world: World, actor: str) -> None:
    def give(unit: Any) -> None:
        digest = judge(unit, world.rollout(), world.now).evidence_digest
        approve(unit, "bears", actor, digest, world.now)

    world.do(give)


def a_check(number: int, world: World) -> ReviewerCheck:
    return ReviewerCheck(CheckKind.GOLD, "bears", f"g{number}", "rae", True, world.now)


def all_the_way(world: World) -> None:
    """Manual review with an approval, limited scope by itself in a window, gradual, live."""
    world.start(APPROVED)
    world.wait(hours=1)
    world.review(correct=80, pending=2)
    approved(world, "cleo")
    world.wait(minutes=1)
    promoted(world, to="limited-scope")
    world.wait(hours=2)
    world.do(lambda unit: unit.audit.append(world.now, "eve", "looked", "cats", 1, "other"))
    world.review(correct=120)
    world.do(lambda unit: [unit.checks.add(a_check(number, world)) for number in range(12)])
    world.measure_drift(alarm=False)
    promoted(world)
    world.review(correct=1)
    world.wait(hours=2)
    promoted(world, override=True, reason="the fair begins tomorrow")
    promoted(world, override=True, reason="the fair begins today")


def made(world: World, version: int | None = None) -> Document:
    with world.database.read() as connection:
        return json.loads(canonical(certify(SqlUnitOfWork(connection), "bears", version)))


def said(document: Document) -> str:
    certificate = certificate_of(document)
    return "\n".join(statements(certificate, judge_again(certificate)))


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def small_world(migrated_sqlite_url: str) -> Any:
    database = Database(migrated_sqlite_url)
    yield World(database)
    database.close()


@pytest.fixture(scope="module")
def document(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Document:
    file = tmp_path_factory.mktemp("certificate") / "test.db"
    shutil.copyfile(migrated_sqlite, file)
    database = Database(f"sqlite:///{file}")
    world = World(database)
    all_the_way(world)
    found = made(world)
    database.close()
    return found


def test_every_gate_of_every_promotion_is_recomputed_from_the_file(world: World) -> None:
    all_the_way(world)
    text = said(made(world))
    assert "Of what one user_id asks within 1 d the first answer counts" in text
    assert "bears@2 (sha256:2) reached live by 4 promotions" in text
    assert "by bob, approved by cleo, on 82 answers: error rate: 80 reviewed, 0 errors" in text
    assert "AGAINST its gates" in text
    assert "with the reason: the fair begins tomorrow" in text
    assert "at most 0.05 (confidence 0.95)" in text
    assert "requests with site ranger-7; a date until 2027-01-31; at most 500 answers a day" in text
    assert "the shares 5 %, 50 % of all units" in text
    assert "Period: evidence from 2026-06-01 12:00 to 2026-06-01 17:01 UTC" in text
    assert "cats" not in canonical(made(world))


def test_what_came_after_a_promotion_changes_nothing_in_its_certificate(world: World) -> None:
    world.start()
    world.review(correct=80, pending=3)
    promoted(world)
    before = made(world)
    world.do(lambda u: u.evidence.settle("p82", "grizzly", "rae", world.now))
    world.wait(hours=3)  # the others are past due now
    world.review(correct=5)
    world.do(lambda unit: unit.checks.add(a_check(1, world)))
    after = made(world)
    assert after["answers"] == before["answers"]
    assert after["promotions"] == before["promotions"]


def test_a_promotion_by_itself_can_be_certified_too(world: World) -> None:
    ends = "  deadline: {after: 30d"
    world.start(PLAN.replace(ends, f"  advance: {{automatic: true}}\n{ends}"))
    world.review(correct=80)
    world.do(lambda unit: tick(unit, "bears", world.now))
    assert world.rollout().stage.value == "limited-scope"
    assert "by controller, on 80 answers" in said(made(world))


@pytest.mark.parametrize("segments", ["", "segments: [site]\n"])
def test_a_log_is_judged_like_the_columns_that_the_controller_reads(
    world: World, segments: str
) -> None:
    plan = PLAN.replace("unit:", f"{segments}unit:")
    plan = plan.replace("at_most: 0.05}", "at_most: 0.05, per_segment: true}") if segments else plan
    world.start(plan)
    acts: list[Callable[[], object]] = [
        lambda: world.review(correct=3, errors=1, pending=2),
        lambda: world.wait(minutes=61),
        lambda: promoted(world, to="limited-scope", override=True, reason="x"),
        lambda: world.review(correct=40, errors=1),
        lambda: world.measure_drift(alarm=False),
        lambda: promoted(world, override=True, reason="x"),
        lambda: world.review(correct=9, pending=1),
        lambda: world.measure_drift(alarm=True),
    ]
    for act in acts:
        act()
        with world.database.read() as connection:
            unit, rollout = SqlUnitOfWork(connection), world.rollout()
            by_columns = judge(unit, rollout, world.now).gates
            assert judge_log(rollout, read_log(unit, rollout, world.now), world.now) == by_columns


def test_a_row_that_was_changed_in_the_database_cannot_be_certified(small_world: World) -> None:
    small_world.start()
    small_world.review(correct=80)
    promoted(small_world)
    with small_world.database.begin() as connection:
        row = evidence.c.prediction_id == "p7"
        connection.execute(sa.update(evidence).where(row).values(model_label="grizzly"))
    with pytest.raises(Conflict, match="behind the program's back"):
        made(small_world)


def test_nothing_is_certified_before_the_first_promotion(small_world: World) -> None:
    small_world.start()
    with pytest.raises(StageConflict, match="was not promoted yet"):
        made(small_world)


def test_a_rollout_that_ended_unpromoted_names_where_to_read_why(small_world: World) -> None:
    small_world.start()
    small_world.do(lambda unit: control.abort(unit, "bears", "ann", small_world.now))
    with pytest.raises(StageConflict, match="why it is rolled back: `stagegate rollout history"):
        made(small_world)


def test_a_certificate_does_not_hide_that_harm_took_the_version_back(small_world: World) -> None:
    small_world.start()
    small_world.review(correct=80)
    promoted(small_world)
    assert "TAKEN BACK" not in said(made(small_world))
    small_world.review(errors=60)
    small_world.do(lambda unit: tick(unit, "bears", small_world.now))
    text = said(made(small_world))
    assert "TAKEN BACK from limited-scope by controller, as the audit log says: error rate:" in text


def test_an_earlier_version_can_still_be_certified(small_world: World) -> None:
    all_the_way(small_world)
    small_world.start(PLAN.replace("version: 2", "version: 3"))
    assert made(small_world, 2)["rollout"]["version"] == 2


def leaves(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(part, dict):
        parts = list(part.items())
    elif isinstance(part, list):
        parts = list(enumerate(part))
    else:
        return [path]
    return [leaf for key, one in parts for leaf in leaves(one, (*path, key))] or [path]


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return "x" if value is None or value == [] or value == {} else f"{value}x"


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def signed(document: Document) -> Document:
    """What a forger does first: make the digest fit again."""
    body = {name: part for name, part in document.items() if name != "digest"}
    return {**body, "digest": digest_of(canonical(body))}


@given(data=st.data())
def test_any_changed_value_is_found_also_when_the_digest_is_made_to_fit(
    document: Document, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(leaves(document)))
    edited = copy.deepcopy(document)
    at(edited, path[:-1])[path[-1]] = another(at(document, path))
    with pytest.raises(Broken):
        certificate_of(edited)
    if path != ("digest",):
        with pytest.raises(Broken):
            certificate_of(signed(edited))


LISTS = [
    ("answers", "manual-review"), ("answers", "limited-scope"), ("audit", "events"),
    ("promotions",), ("promotions", 0, "ids"), ("promotions", 1, "checks"), ("plan", "stages"),
    ("rollout", "history"),
]  # fmt: skip


@given(data=st.data(), path=st.sampled_from(LISTS))
def test_a_removed_a_doubled_and_a_moved_row_are_found(
    document: Document, data: st.DataObject, path: tuple[Any, ...]
) -> None:
    edited = copy.deepcopy(document)
    rows = at(edited, path)
    place = data.draw(st.integers(0, len(rows) - 2))
    how = data.draw(st.sampled_from(["removed", "doubled", "moved", "last removed"]))
    if how == "removed":
        del rows[place]
    elif how == "last removed":
        del rows[-1]
    elif how == "doubled":
        rows.insert(place, copy.deepcopy(rows[place]))
    else:
        rows.insert(place, rows.pop())
    with pytest.raises(Broken):
        certificate_of(signed(edited))


def test_an_added_part_is_found(document: Document) -> None:
    with pytest.raises(Broken, match="`note`"):
        certificate_of(signed({**document, "note": "approved by everybody"}))


def rechained(document: Document, change: Callable[[Document], None]) -> Document:
    """What a patient forger does: change an event and hash the whole chain anew."""
    edited = copy.deepcopy(document)
    audit = edited["audit"]
    change(edited)
    last = AuditHead(audit["events"][0]["sequence"] - 1, audit["before"])
    for record in audit["events"]:
        event = _event_of(record)
        if isinstance(event, AuditEvent):
            linked = chained(event, last)
            record.update(previous_hash=linked.previous_hash, hash=linked.hash)
            last = AuditHead(linked.sequence, linked.hash)
        else:
            last = AuditHead(event.sequence, link(last.hash, event.content))
    audit["head"] = {"sequence": last.sequence, "hash": last.hash}
    return signed(edited)


def promotion(document: Document, number: int) -> Document:
    events = (e for e in document["audit"]["events"] if e.get("action") in PROMOTIONS)
    return list(events)[number]["detail"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: promotion(d, 0)["gates"][0]["numbers"].update(errors=1), "errors 0 instead"),
        (
            lambda d: promotion(d, 0)["gates"][0]["numbers"].update(log_e_pass=99.0),
            r"log_e_pass .* instead of 99\.0",
        ),
        (lambda d: promotion(d, 0)["gates"].pop(), "records 0 verdicts of gates"),
        (lambda d: promotion(d, 0).update(approvals=["ann"]), "ann registered bears@2"),
        (lambda d: promotion(d, 0).update(approvals=["zoe"]), "of which there is no event"),
        (lambda d: promotion(d, 0).update(approvals=[]), "promoted without evidence"),
        (lambda d: promotion(d, 2).update(unmet=[]), "hides what was missing"),
        (lambda d: promotion(d, 0).update(evidence_digest="sha256:0"), "names another evidence"),
        (lambda d: promotion(d, 0)["to"].update(stage="gradual"), "the events before say gradual"),
        (lambda d: promotion(d, 1)["from"].update(step=1), "the events before say"),
        (lambda d: promotion(d, 1).update(generation=9), "is not the next change"),
    ],
)
def test_a_log_that_was_hashed_anew_is_found_by_recomputing(
    document: Document, change: Callable[[Document], None], why: str
) -> None:
    with pytest.raises(Broken, match=why):
        certificate_of(rechained(document, change))


def test_only_a_hash_that_was_kept_apart_finds_a_name_that_was_hashed_anew(
    document: Document,
) -> None:
    def rename(edited: Document) -> None:
        edited["audit"]["events"][-1]["actor"] = "mallory"
        edited["rollout"]["history"][-1]["by"] = "mallory"

    forged = certificate_of(rechained(document, rename))
    kept = document["audit"]["head"]["hash"]
    check_head(certificate_of(document), kept)
    with pytest.raises(Broken, match="does not lead over"):
        check_head(forged, kept)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\x1f\x8bnonsense", b'{"format": "stagegate/certificate/v1"}']
)
def test_what_is_no_certificate_says_so(content: bytes) -> None:
    with pytest.raises(Broken):
        certificate_of(document_of(content))


def test_a_large_file_is_compressed_and_always_the_same(document: Document) -> None:
    large = {**document, "padding": "x" * 1_000_000}
    assert file_bytes(large).startswith(b"\x1f\x8b")
    assert file_bytes(large) == file_bytes(large)
    assert document_of(file_bytes(large)) == large
    assert document_of(file_bytes(document)) == document


def test_a_file_is_verified_without_database_and_network(
    document: Document, tmp_path: Path
) -> None:
    file = tmp_path / "bears.json"
    file.write_bytes(file_bytes(document))
    program = (
        "import sys\n"
        "from console.cli.main import main\n"
        f"sys.argv = ['stagegate', 'rollout', 'verify', {str(file)!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "loaded = {'sqlalchemy', 'httpx', 'fastapi', 'mlflow'} & set(sys.modules)\n"
        "print('loaded:', *sorted(loaded))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The certificate holds.")
    assert done.stdout.rstrip().endswith("loaded:")
    file.write_bytes(file_bytes(document).replace(b'"teddy"', b'"grizz"', 1))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "the file was changed after it was made" in done.stderr
