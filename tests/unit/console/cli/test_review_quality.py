"""What `stagegate review quality` prints."""

from page_documents import a_quality, the_people

from console.cli.review_quality import people_text, quality_text


def test_every_version_and_queue_has_its_row_and_every_version_its_sentence():
    lines = quality_text(a_quality()).splitlines()
    assert lines[1].split()[:4] == ["v3", "in", "gradual", "412"]
    assert "94.0 % (92.0 to 96.0)" in lines[1]
    assert "90.0 to 96.0 %" in lines[1]
    assert lines[2].split()[-3:] == ["-", "-", "-"]
    assert lines[3].startswith("queue work")
    assert lines[-3].startswith("v3 in gradual: 95.5 % of all answers are right")


def test_a_model_without_reviews_says_so():
    empty = a_quality(versions=[], queues=[])
    assert quality_text(empty) == "No answer of waste has been drawn for review in this time."


def test_gold_items_stand_in_the_table_of_leads_only():
    found = the_people()
    assert "93.0 % (88.0 to 98.0)" in people_text(found)
    assert "93.0 %" not in people_text(found | {"gold": False})
    assert people_text({"gold": True, "people": []}) == "Nobody has reviewed anything in this time."
