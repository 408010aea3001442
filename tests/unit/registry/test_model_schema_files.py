"""The published JSON Schemas of preprocessing are those that the code makes, and mean the same."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from registry.documents.model_input import ModelInput
from registry.documents.model_json_schema import Shape, model_schema, model_schema_text
from registry.documents.preprocessing import Preprocessing, Resize, read_preprocessing
from registry.documents.table import Category, Missing, Number, TablePreprocessing
from registry.domain.errors import Invalid

ROOT = Path(__file__).parents[3]
FILES = {Shape.INPUT: "model-input", Shape.PREPROCESSING: "preprocessing"}
IMAGE = Preprocessing(mode="RGB", steps=(Resize(width=8, height=8),))
TABLE = TablePreprocessing(
    columns=(
        Category(name="site", values=("north", 3, 2.5, True)),
        Missing(name="rain_na", of="rain"),
        Number(name="rain", fill=1.5, mean=2.0, deviation=0.5),
    ),
    label="air",
)
STEPS = [{"width": 8, "height": 8}]


def accepts(shape: Shape, document: Any) -> bool:
    schema = model_schema(shape)
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(document))


@pytest.mark.parametrize("shape", list(Shape))
def test_a_published_schema_is_up_to_date(shape: Shape):
    """If not: stagegate model schema SHAPE > docs/NAME.schema.json."""
    published = ROOT / f"docs/{FILES[shape]}.schema.json"
    assert published.read_text(encoding="utf-8") == model_schema_text(shape)


@pytest.mark.parametrize("document", [IMAGE, TABLE], ids=["image", "table"])
def test_what_a_bundle_holds_satisfies_its_schema(document: Preprocessing | TablePreprocessing):
    assert accepts(Shape.PREPROCESSING, json.loads(document.document()))


def test_the_file_of_the_readme_satisfies_its_schema():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = next(part for part in text.split("```")[1::2] if part.startswith("yaml\nmode: RGB"))
    said = yaml.safe_load(example.removeprefix("yaml"))
    assert accepts(Shape.INPUT, said)
    assert ModelInput.model_validate(said)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "CMYK"},
        {"steps": []},
        {"steps": [{"op": "rotate", "width": 8, "height": 8}]},
        {"steps": [{"width": 0, "height": 8}]},
        {"more": 1},
        {"schema_version": 2},
    ],
)
def test_the_schema_of_a_bundle_refuses_what_the_engine_refuses(change: dict[str, Any]):
    document = json.loads(IMAGE.document()) | change
    assert not accepts(Shape.PREPROCESSING, document)
    with pytest.raises(Invalid):
        read_preprocessing(json.dumps(document).encode())


@pytest.mark.parametrize(
    "change",
    [{"divide_by": 0}, {"order": "GRB"}, {"activation": "relu"}, {"threshold": 1}, {"mean": "0"}],
)
def test_the_schema_of_an_input_file_refuses_what_registration_refuses(change: dict[str, Any]):
    assert accepts(Shape.INPUT, {"steps": STEPS})
    assert not accepts(Shape.INPUT, {"steps": STEPS} | change)
    with pytest.raises(ValidationError):
        ModelInput.model_validate({"steps": STEPS} | change)
