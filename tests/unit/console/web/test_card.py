"""The card of a version."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_documents import LABELS, NOW, a_card, a_version

from console.web.views.card import MOST_LABELS, card_page
from console.web.views.density import density, even
from console.web.views.formatting import NONE


@given(
    st.lists(st.floats(0.001, 100.0), min_size=1, max_size=64),
    st.integers(0, 1000),
    st.integers(1, 40),
)
def test_sharing_counts_out_over_even_bins_loses_none(widths: list[float], seed: int, bars: int):
    edges = np.concatenate([[0.0], np.cumsum(widths)]).tolist()
    counts = np.random.default_rng(seed).integers(0, 50, len(widths)).astype(float).tolist()
    assert sum(even(edges, counts, bars)) == pytest.approx(sum(counts))


def test_a_distribution_is_drawn_as_dense_as_it_is():
    assert even([0.0, 1.0, 2.0, 4.0], [10, 10, 10], 4) == pytest.approx([10, 10, 5, 5])


def test_missing_values_are_said():
    assert density(a_card()["reference"]["features"][0]).summary == "mean 2.5, sd 2; 2 missing"


def test_the_card_says_how_each_label_did():
    card = card_page(a_card(), NOW)
    first, second = card.labels[:2]
    others = len(LABELS) - 1
    assert (first.label, first.rows) == (LABELS[0], str(9 + others))
    assert (second.found, second.right, second.foreign) == ("100 %", "90 %", NONE)
    assert first.foreign == "61 %"
    assert card.held_out.startswith(f"{9 * len(LABELS)} of {9 * len(LABELS) + others} held-out")
    assert [cell.hit for cell in card.matrix[1][1]] == [i == 1 for i in range(len(LABELS))]


def test_many_labels_are_shown_as_their_most_frequent_confusions():
    n = MOST_LABELS + 1
    document = a_card()
    confusion = np.diag(np.full(n, 8)).tolist()
    confusion[3][5], confusion[7][1] = 4, 2
    document["reference"] |= {"labels": [f"l{i}" for i in range(n)], "confusion": confusion}
    card = card_page(document, NOW)
    assert card.matrix == ()
    assert [(c.true, c.predicted, c.count) for c in card.confusions] == [
        ("l3", "l5", "4"), ("l7", "l1", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize("reference", [None, {"rows": 10, "labels": LABELS, "confusion": []}])
def test_a_version_without_held_out_data_has_a_card_too(reference: dict[str, object] | None):
    card = card_page(a_version() | {"reference": reference}, NOW)
    assert (card.held_out, card.matrix, card.plots) == ("", (), ())
    assert card.trained_on
