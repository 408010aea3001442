"""A user's own gate comes as an installed package, and cannot break a rollout."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from evidence_rows import answers_of

from registry.documents.plan_file import lint, parse_plan
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed
from registry.domain.plan import Defaults, GateSpec

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: none}
stages:
- stage: manual-review
  gates: [{type: quiet-night, hours: [22, 6], dry_run: true}]
  deadline: {after: 30d, then: hold}
"""
CODE = """\
from registry.domain.gates import Failed, Inconclusive, Passed

def quiet(spec, evidence):
    first = spec.options["hours"][0]
    return Passed(f"quiet from {first} o'clock", {"answers": 0})

def raising(spec, evidence):
    raise ValueError("no moon tonight")

def nonsense(spec, evidence):
    return True

def silent(spec, evidence):
    return Failed(" ")

def endless(spec, evidence):
    return Failed("too much", {"ratio": float("inf")})

def impostor(spec, evidence):
    return Passed("anything goes")
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution: a module, and the metadata that an installer writes."""
    (tmp_path / "quiet_night_gates.py").write_text(CODE)
    info = tmp_path / "quiet_night-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiet-night\nVersion: 1.0\n")
    names = ["quiet", "raising", "nonsense", "silent", "endless"]
    points = "\n".join(f"{name} = quiet_night_gates:{name}" for name in names)
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""\
        [stagegate.gates]
        quiet-night = quiet_night_gates:quiet
        error-rate = quiet_night_gates:impostor
        gone = quiet_night_gates:nowhere
        """)
        + points
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    import sys

    sys.modules.pop("quiet_night_gates", None)


def judged(name: str, **options: object) -> Judged:
    evidence = Evidence(answers_of([], NOW), None, Defaults(), NOW)
    (found,) = judge_gates([GateSpec(name, options, dry_run=True)], evidence)
    return found


def test_a_plan_may_name_it_and_its_options_are_handed_over() -> None:
    assert lint(PLAN) == ()
    (gate,) = parse_plan(PLAN).stages[0].gates
    assert gate == GateSpec("quiet-night", {"hours": [22, 6]}, dry_run=True)
    found = judged("quiet-night", hours=[22, 6])
    assert found == Judged(
        "quiet-night", Passed("quiet from 22 o'clock", {"answers": 0}), None, dry_run=True
    )


def test_a_name_that_nobody_brings_is_a_problem_of_the_plan() -> None:
    (problem,) = lint(PLAN.replace("quiet-night", "quiet-nihgt"))
    assert problem.line == 5
    assert "'quiet-nihgt' is not known here" in problem.message


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raising", "failed with ValueError: no moon tonight"),
        ("gone", "failed with AttributeError"),
        ("nonsense", "the plugin gave True; it must give Passed, Failed"),
        ("silent", "a verdict without a sentence"),
        ("endless", "cannot be kept as JSON"),
        ("uninstalled", "no gate of this name is installed here"),
    ],
)
def test_a_plugin_that_misbehaves_is_inconclusive_and_says_how(name: str, sentence: str) -> None:
    result = judged(name).result
    assert isinstance(result, Inconclusive)
    assert result.sentence.startswith(f"{name}: ")
    assert sentence in result.sentence


def test_a_plugin_cannot_take_the_place_of_a_gate_of_ours() -> None:
    result = judged("error-rate", at_most=0.05).result
    assert isinstance(result, Inconclusive)
    assert not isinstance(result, Failed)
    assert "nothing reviewed yet" in result.sentence
