"""Where the images of a training set are written."""

from pathlib import Path

from console.cli.review_export import _place


def place(label: str, name: str = "p") -> Path:
    return _place({"label": label, "prediction_id": name, "payload_type": "image/png"})


def test_the_longest_labels_have_folders_that_a_disk_takes_one_each(tmp_path: Path):
    one, other = place("瓶" * 255 + "a"), place("瓶" * 255 + "b")
    assert one.parent != other.parent
    (tmp_path / one).parent.mkdir(parents=True)


def test_no_name_leads_out_of_the_folder():
    for found in (place("../.."), place(".."), place("a", "../../../x")):
        assert ".." not in found.parts
        assert len(found.parts) == 3
