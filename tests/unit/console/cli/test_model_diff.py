"""What changed between two versions, for a person: values by their places, files at the end."""

from console.cli.model_text import difference_document, difference_text
from registry.domain.difference import differences

FIRST = {
    "labels": ["glass", "metal"],
    "files": {"model.onnx": {"sha256": "a" * 64, "size": 10}},
    "preprocessing": {"steps": [{"width": 32, "method": "crop"}, {"width": 16}], "mean": [0.5]},
}
SECOND = {
    "labels": ["glass", "metal", "paper"],
    "files": {"model.onnx": {"sha256": "b" * 64, "size": 10}},
    "preprocessing": {"steps": [{"width": 64, "method": "crop"}], "mean": [0.5]},
}


def told(first: dict[str, object], second: dict[str, object], everything: bool = False) -> str:
    document = difference_document("waste", 1, 2, differences(first, second))
    return difference_text(document, everything)


def test_nested_changes_are_shown_by_their_places_and_whole():
    assert [line.split() for line in told(FIRST, SECOND).splitlines()] == [
        ["what", "waste@1", "waste@2"],
        ["labels[2]", "-", "paper"],
        ["preprocessing.steps[0].width", "32", "64"],
        ["preprocessing.steps[1]", '{"width":', "16}", "-"],
        ["Digests", "and", "sizes", "that", "differ:", "1;", "--all", "lists", "them."],
    ]


def test_with_all_the_files_come_last_and_nothing_is_cut():
    lines = told(FIRST, SECOND, everything=True).splitlines()
    assert lines[-1].split() == ["files.model.onnx.sha256", "a" * 64, "b" * 64]
    assert len(lines) == 5


def test_a_version_whose_files_alone_differ_says_so():
    changed = {**FIRST, "files": SECOND["files"]}
    assert told(FIRST, changed) == "Digests and sizes that differ: 1; --all lists them."
    assert "nothing but when" in told(FIRST, FIRST)
