"""A certificate holds what its promotions were judged on; whoever edits it is found out."""

import copy
import gzip
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from certificates import (
    certified,
    checked,
    document_of,
    file_of,
    file_of_the_first_format,
    signed,
)
from command_line import stagegate
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import PLAN, World

from registry.adapters.database import evidence_logs, exposures
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents import certificate
from registry.documents.certificate import sent
from registry.documents.certificate_reading import event_of, read_certificate
from registry.documents.evidence_record import canonical
from registry.domain.assurance import statements
from registry.domain.audit_chain import chained, link
from registry.domain.certificate import check_head
from registry.domain.errors import Conflict, StageConflict
from registry.domain.evidence import AuditEvent, AuditHead, CheckKind, ReviewerCheck
from registry.domain.retrace import PROMOTIONS, Broken
from registry.services import control
from registry.services.approve import approve
from registry.services.judge import judge
from registry.services.promote import prepare, promote
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
    content = certified(world.database, version)
    document = document_of(content)
    assert file_of(document) == content
    return document


def said(document: Document) -> str:
    return "\n".join(statements(*checked(file_of(document))))


def refused(document: Document, why: str = ".") -> None:
    """Forged, it is broken as a file of either format."""
    for content in (file_of(signed(document)), file_of_the_first_format(document)):
        with pytest.raises(Broken, match=why):
            read_certificate(io.BytesIO(content))


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
            assert prepare(unit, rollout, world.now).judgement.gates == by_columns


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
    assert "TAKEN BACK from limited-scope by controller on 60 answers: error rate:" in text
    assert "Every gate was recomputed from them and says what was recorded" in text


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


@given(data=st.data())
def test_any_changed_value_is_found_also_when_the_digest_is_made_to_fit(
    document: Document, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(leaves(document)))
    edited = copy.deepcopy(document)
    at(edited, path[:-1])[path[-1]] = another(at(document, path))
    with pytest.raises(Broken):
        read_certificate(io.BytesIO(file_of(edited)))
    if path != ("digest",):
        refused(edited)


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
    refused(edited)


def test_an_added_part_is_found(document: Document) -> None:
    refused({**document, "note": "approved by everybody"}, "`note`")
    refused({**document, "answers": {**document["answers"], "live": []}}, "`answers`|live")


def rechained(document: Document, change: Callable[[Document], None]) -> Document:
    """What a patient forger does: change an event and hash the whole chain anew."""
    edited = copy.deepcopy(document)
    audit = edited["audit"]
    change(edited)
    last = AuditHead(audit["events"][0]["sequence"] - 1, audit["before"])
    for record in audit["events"]:
        event = event_of(record)
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
        (
            lambda d: promotion(d, 1).update(environment={"torch": "2.12"}),
            "names another environment",
        ),
    ],
)
def test_a_log_that_was_hashed_anew_is_found_by_recomputing(
    document: Document, change: Callable[[Document], None], why: str
) -> None:
    refused(rechained(document, change), why)


def test_only_a_hash_that_was_kept_apart_finds_a_name_that_was_hashed_anew(
    document: Document,
) -> None:
    def rename(edited: Document) -> None:
        edited["audit"]["events"][-1]["actor"] = "mallory"
        edited["rollout"]["history"][-1]["by"] = "mallory"

    forged, *_ = checked(file_of(rechained(document, rename)))
    kept = document["audit"]["head"]["hash"]
    number = document["audit"]["head"]["sequence"]
    said = check_head(checked(file_of(document))[0], kept)
    assert said.endswith(f"leads over the hash that you kept, of event {number}.")
    with pytest.raises(Broken, match="does not lead over"):
        check_head(forged, kept)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\x1f\x8bnonsense", b'{"format": "stagegate/certificate/v1"}']
)
def test_what_is_no_certificate_says_so(content: bytes) -> None:
    with pytest.raises(Broken):
        read_certificate(io.BytesIO(content))


def test_a_large_file_is_compressed_and_always_the_same() -> None:
    content = b"x" * 1_000_001
    first, second = (sent(io.BytesIO(content)) for _ in range(2))
    assert (first[0], sent(io.BytesIO(b"x"))[0]) == (True, False)
    packed = b"".join(first[1])
    assert packed == b"".join(second[1])
    assert gzip.decompress(packed) == content


def test_a_certificate_of_the_first_format_still_holds(document: Document) -> None:
    told = statements(*checked(file_of(document)))
    assert statements(*checked(file_of_the_first_format(document))) == told


def test_a_format_that_is_to_come_is_refused_with_what_to_do(document: Document) -> None:
    newer = signed({**document, "format": "stagegate/certificate/v3"})
    with pytest.raises(Broken, match="if a newer stagegate made it, verify it with that"):
        read_certificate(io.BytesIO(file_of(newer)))


def test_what_was_judged_by_formulas_that_are_to_come_is_refused(document: Document) -> None:
    def newer(edited: Document) -> None:
        promotion(edited, 0)["log"]["formulas"] = 3

    why = "judged by formulas 3, and this stagegate has 2; verify it with a newer stagegate"
    refused(rechained(document, newer), why)


def test_a_promotion_from_before_formulas_had_a_number_is_judged_as_then(
    document: Document,
) -> None:
    def older(edited: Document) -> None:
        for number in range(4):
            del promotion(edited, number)["log"]["formulas"]

    assert checked(file_of(rechained(document, older)))


def test_agreement_that_was_counted_by_items_is_not_judged_by_visits(small_world: World) -> None:
    gate = "{type: error-rate, at_most: 0.05}, {type: agreement, at_least: 0.9, dry_run: true}]"
    plan = PLAN.replace("{type: error-rate, at_most: 0.05}]", gate, 1)
    small_world.start(plan.replace("  gates", "  review: {opinions: {audit: 2}}\n  gates", 1))
    small_world.review(correct=80)
    promoted(small_world)

    def older(edited: Document) -> None:
        del promotion(edited, 0)["log"]["formulas"]

    document = made(small_world)
    assert "error rate: 80 reviewed" in said(document)
    refused(rechained(document, older), "the gate agreement counts otherwise since 2; verify it")


def test_a_log_of_many_portions_is_the_same_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_the_way(world)
    whole = certified(world.database)
    monkeypatch.setattr(evidence_logs, "_AT_ONCE", 7)
    monkeypatch.setattr(exposures, "_AT_ONCE", 7)
    parts = certified(world.database)
    assert parts.count(b'{"answers"') > 20 > whole.count(b'{"answers"')
    assert checked(parts) == checked(whole)


def test_the_command_writes_what_the_service_sends_and_verify_reads_it(
    small_world: World, tmp_path: Path
) -> None:
    small_world.start()
    small_world.review(correct=80)
    promoted(small_world)
    file, here = tmp_path / "bears.jsonl", {"STAGEGATE_DATABASE_URL": small_world.database.url}
    words = ("--json", "rollout", "certify", "bears", "-o", str(file))
    made = stagegate(*words, home=tmp_path, **here)
    assert made.returncode == 0, made.stderr
    assert file.read_bytes() == certified(small_world.database)
    document, said = document_of(file.read_bytes()), json.loads(made.stdout)
    assert (said["digest"], said["audit_head"]) == (document["digest"], document["audit"]["head"])
    head = document["audit"]["head"]
    read = stagegate("rollout", "verify", str(file), "--expect-head", head["hash"], home=tmp_path)
    assert read.stdout.startswith("The certificate holds."), read.stderr
    assert f"the hash that you kept, of event {head['sequence']}." in read.stdout
    mistyped = stagegate("rollout", "verify", str(file), "--expect-head", "0", home=tmp_path)
    assert (mistyped.returncode, "is no SHA-256" in mistyped.stderr) == (2, True)


@pytest.mark.parametrize("large", [False, True])
def test_the_service_sends_a_large_certificate_compressed(
    small_world: World, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    small_world.start()
    small_world.review(correct=80)
    promoted(small_world)
    monkeypatch.setattr(certificate, "_LARGE", 1_000 if large else 1_000_000)
    app = FastAPI()
    app.include_router(small_world.router())
    found = TestClient(app).get("/v1/rollouts/bears/certificate")
    kind, content = (
        ("gzip", gzip.decompress(found.content)) if large else ("x-ndjson", found.content)
    )
    assert found.headers["content-type"] == f"application/{kind}"
    assert content == certified(small_world.database)


def test_a_file_is_verified_without_database_and_network(
    document: Document, tmp_path: Path
) -> None:
    file = tmp_path / "bears.json"
    file.write_bytes(file_of(document))
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
    file.write_bytes(file_of(document).replace(b'"teddy"', b'"grizz"', 1))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "the file was changed after it was made" in done.stderr
