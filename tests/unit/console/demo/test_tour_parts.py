"""The tour's own rules: it can tell what it did not see, and its plans and pictures are sound."""

import io
import random
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

import console
from console.demo.programs import environment
from console.demo.reviewer import SLIPS, Reviewer, digest
from console.demo.scene import passes, place, share
from console.demo.story import Story
from console.demo.tour import fresh
from console.demo.traffic import Callers, Picture, waves
from registry.documents.plan_file import lint

EXAMPLES = Path(console.__file__).parents[1] / "examples" / "waste"
LABELS = ["cardboard", "glass", "paper"]


def a_story() -> Story:
    return Story(Console(file=io.StringIO(), soft_wrap=True))


def told(story: Story) -> str:
    assert isinstance(story.console.file, io.StringIO)
    return story.console.file.getvalue()


def a_picture(folder: Path, content: bytes = b"picture") -> Picture:
    path = folder / "picture.jpg"
    path.write_bytes(content)
    return Picture(path, "glass", {"site": "north"})


def a_reviewer(http: httpx.Client) -> Reviewer:
    return Reviewer("rosa", http, {digest(b"x"): "glass"}, random.Random(1))  # noqa: S311 - a test


def answering(*responses: httpx.Response) -> tuple[httpx.Client, list[httpx.Request]]:
    waiting, seen = list(responses), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return waiting.pop(0)

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://stagegate"), seen


def test_in_a_log_a_bar_is_a_line_for_each_tenth():
    story = a_story()
    with story.bar("training", 20) as step:
        assert told(story) == "  training: 0 of 20\n"
        for _ in range(20):
            step.forward()
    lines = told(story).splitlines()
    assert lines == [f"  training: {done} of 20" for done in range(0, 21, 2)]


def test_a_story_in_which_everything_was_observed_ends_well():
    story = a_story()
    with story.chapter("one"):
        story.observe("water is wet", observed=True)
    assert story.end()
    assert "All 1 observations were made." in told(story)


def test_what_was_not_observed_is_named_with_its_chapter():
    story = a_story()
    with story.chapter("one"):
        story.observe("water is dry", observed=False)
    assert not story.end()
    assert "not observed in “one”: water is dry" in told(story)
    assert not story.cut_short


def test_a_chapter_that_cannot_go_on_cuts_the_story_short():
    story = a_story()
    with story.chapter("one"):
        story.require("a door", observed=False)
        pytest.fail("the chapter goes on")
    story.leave_out("two")
    assert story.cut_short
    assert not story.end()
    assert "not observed in “two”: not reached" in told(story)


def test_a_lost_connection_is_not_observed_either():
    story = a_story()
    with story.chapter("one"):
        raise httpx.ConnectError("gone")
    assert not story.end()


@pytest.mark.parametrize("plan", ["first.yaml", "second.yaml"])
def test_the_plans_of_the_example_have_no_problem(plan: str):
    assert lint((EXAMPLES / plan).read_text()) == ()


def test_each_tour_begins_in_an_empty_folder(tmp_path: Path):
    assert [fresh(tmp_path / "demo").name for _ in range(3)] == ["1", "2", "3"]


def test_everything_that_the_programs_of_the_tour_cache_lies_below_the_home(tmp_path: Path):
    given = environment(tmp_path)
    for name in ("STAGEGATE_HOME", "MPLCONFIGDIR", "FASTAI_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        assert Path(given[name]).is_relative_to(tmp_path)


def test_the_reviewer_slips_as_often_as_is_said():
    reviewer = a_reviewer(httpx.Client())
    answers = [reviewer._answer({"labels": LABELS}, b"x") for _ in range(20_000)]
    slipped = [answer for answer in answers if answer != "glass"]
    assert set(slipped) == {"cardboard", "paper"}
    assert reviewer.slips == len(slipped)
    assert len(slipped) == pytest.approx(20_000 * SLIPS, rel=0.2)


def test_the_reviewer_answers_the_item_that_was_leased():
    item = {"id": "i", "epoch": 3, "labels": LABELS, "payload_url": "/p"}
    http, seen = answering(
        httpx.Response(200, json=item), httpx.Response(200, content=b"x"), httpx.Response(200)
    )
    reviewer = a_reviewer(http)
    assert reviewer.review_one()
    assert [request.url.path for request in seen] == [
        "/v1/review/next",
        "/p",
        "/v1/review/i/decision",
    ]
    assert {request.headers["X-Stagegate-Actor"] for request in seen} == {"rosa"}
    assert seen[-1].read() == b'{"epoch":3,"label":"glass","final":true}'


def test_the_reviewer_rests_when_nothing_waits():
    http, _ = answering(httpx.Response(204))
    assert not a_reviewer(http).review_one()


def test_a_caller_waits_for_the_answer_to_a_held_request(tmp_path: Path):
    held = httpx.Response(202, json={"id": "p"}, headers={"Location": "/v1/predictions/p"})
    http, seen = answering(held, httpx.Response(200, json={"prediction": "glass"}))
    reply = Callers(http, "waste").ask(a_picture(tmp_path))
    assert reply.held
    assert reply.right
    assert seen[-1].url.path == "/v1/predictions/p"


def test_a_caller_comes_back_when_it_is_asked_to(tmp_path: Path):
    busy = httpx.Response(503, headers={"Retry-After": "0"})
    http, seen = answering(busy, httpx.Response(200, json={"prediction": "paper", "flags": []}))
    reply = Callers(http, "waste").ask(a_picture(tmp_path))
    assert not reply.held
    assert not reply.right
    assert len(seen) == 2


def test_waves_lose_no_picture(tmp_path: Path):
    picture = a_picture(tmp_path)
    assert [len(wave) for wave in waves([picture] * 10, 4)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("gates", "passed"),
    [
        ([], False),
        ([{"verdict": "passed"}], True),
        ([{"verdict": "passed"}, {"verdict": "stale"}], False),
        ([{"verdict": "passed"}, {"verdict": "failed", "dry_run": True}], True),
        ([{"verdict": "failed", "dry_run": True}], False),
    ],
)
def test_a_stage_passes_when_every_gate_that_decides_has(gates: list[object], passed: bool):
    assert passes({"gates": gates}) is passed


def test_numbers_read_well():
    assert place({"stage": "gradual", "weight": 25.0}) == "gradual at 25 %"
    assert place({"stage": "live", "weight": 100.0}) == "live"
    assert share(3, 200) == "3 of 200 (1.5 %)"
    assert share(0, 0) == "0 of 0 (0.0 %)"


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, "prepare", raising=False)
    import prepare

    return prepare


def test_no_photograph_of_the_traffic_is_trained_on(tmp_path: Path, prepare: object):
    prepare.main(tmp_path)  # type: ignore[attr-defined]
    names = {
        part: {path.name for path in (tmp_path / part).rglob("*.jpg")}
        for part in ("training", "calibration", "live")
    }
    assert [len(found) for found in names.values()] == [674, 374, 450]
    assert len(set.union(*names.values())) == 674 + 374 + 450
    assert {path.name for path in (tmp_path / "shifted").rglob("*.jpg")} == names["live"]
    assert len(list((tmp_path / "digits").glob("*.png"))) == 100
