"""Polygons hold the points that lie in them, wherever on the globe they are."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.documents.geojson import region_of
from registry.documents.plan_file import lint, parse_plan, plan_document, plan_from_document
from registry.documents.plan_files import with_files
from registry.domain.errors import Invalid
from registry.domain.plan import Area
from registry.domain.region import Region
from registry.domain.stages import Stage

SQUARE = [[-111.0, 44.0], [-110.0, 44.0], [-110.0, 45.0], [-111.0, 45.0], [-111.0, 44.0]]
HOLE = [[-110.6, 44.4], [-110.4, 44.4], [-110.4, 44.6], [-110.6, 44.6], [-110.6, 44.4]]
PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 12, baseline: live}
stages:
- stage: limited-scope
  scope:
    area: {geojson: park.geojson}
    until: 2027-01-31
  review: {sample: 1.0}
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 14d, then: hold}
"""


def polygon(*rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


def said(document: object) -> str:
    with pytest.raises(Exception) as refused:  # noqa: PT011 - pydantic's own kind
        region_of(document)
    return str(refused.value)


@pytest.mark.parametrize(
    ("longitude", "latitude", "within"),
    [
        (-110.5, 44.2, True),
        (-111.5, 44.5, False),
        (-111.0, 44.5, True),  # on an edge
        (-110.0, 45.0, True),  # on a corner
        (-110.5, 44.5, False),  # in the hole
        (-110.6, 44.5, True),  # on the hole's edge
        (249.5, 44.2, True),  # the same place, once around
    ],
)
def test_edges_belong_to_a_polygon_and_holes_do_not(
    longitude: float, latitude: float, within: bool
):
    assert region_of(polygon(SQUARE, HOLE)).contains(longitude, latitude) is within


def test_collections_are_all_their_polygons():
    other = [[x + 10, y] for x, y in SQUARE]
    feature = {"type": "Feature", "properties": {}, "geometry": polygon(SQUARE)}
    many = {"type": "MultiPolygon", "coordinates": [[SQUARE], [other]]}
    assert region_of({"type": "FeatureCollection", "features": [feature]}) == region_of(
        polygon(SQUARE)
    )
    region = region_of(many)
    assert region.contains(-110.5, 44.5)
    assert region.contains(-100.5, 44.5)
    assert not region.contains(-105.5, 44.5)


def test_a_polygon_across_the_antimeridian_holds_both_of_its_sides():
    fiji = region_of(polygon([[177, -20], [-178, -20], [-178, -15], [177, -15], [177, -20]]))
    assert fiji.contains(179.9, -17)
    assert fiji.contains(-179.9, -17)
    assert fiji.contains(180, -17)
    assert fiji.contains(-180, -17)
    assert not fiji.contains(0, -17)
    assert not fiji.contains(-177.9, -17)


places = st.tuples(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5))
angles = st.lists(st.integers(0, 359), min_size=3, max_size=12, unique=True).filter(
    lambda found: max(_gaps(sorted(found))) < 175
)


def _gaps(found: list[int]) -> list[int]:
    return [(b - a) % 360 for a, b in zip(found, [*found[1:], found[0]], strict=True)]


@given(angles=angles, place=places, middle=st.floats(-180, 180))
def test_a_convex_polygon_holds_what_is_left_of_all_its_edges(
    angles: list[int], place: tuple[float, float], middle: float
):
    """An independent rule for convex polygons, at any place along the equator."""
    corners = [(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in sorted(angles)]
    corners = [*corners, corners[0]]
    sides = [
        (bx - ax) * (place[1] - ay) - (by - ay) * (place[0] - ax)
        for (ax, ay), (bx, by) in pairwise(corners)
    ]
    if min(abs(side) for side in sides) < 1e-6:
        return  # too close to an edge to say by floating point
    moved = [[_wrapped(x + middle), y] for x, y in corners]
    moved[-1] = moved[0]
    region = region_of(polygon(moved))
    assert region.contains(_wrapped(place[0] + middle), place[1]) is (min(sides) > 0)


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (polygon([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]), "crosses or touches itself near"),
        (polygon([[0, 0], [2, 0], [1, 0], [1, 2], [0, 0]]), "crosses or touches itself near"),
        (polygon([[0, 0], [2, 0], [2, 2], [0, 2]]), "is not closed"),
        (polygon([[0, 0], [2, 0], [0, 0]]), "fewer than three corners"),
        (polygon([[0, 80], [120, 80], [-120, 80], [0, 80]]), "goes around a pole"),
        (polygon(SQUARE, [[x + 5, y] for x, y in HOLE]), "hole 1 of the polygon lies outside"),
        (polygon(SQUARE, [[x + 0.5, y] for x, y in HOLE]), "two rings of a polygon cross near"),
        (polygon([[44, -111], [45, -111], [45, -110], [44, -111]]), "is not on earth"),
        (polygon([["a", 1], [2, 2], [1, 0], ["a", 1]]), "is no position"),
        (polygon([[0, math.nan], [2, 2], [1, 0], [0, math.nan]]), "is not on earth"),
        (polygon(), "a list of rings"),
        (polygon(7), "no list of positions"),
        ({"type": "Point", "coordinates": [0, 0]}, "'Point' is no GeoJSON area"),
        ({"type": "FeatureCollection", "features": []}, "has no polygon"),
        ({"type": "FeatureCollection"}, "no list of features"),
        ("park.geojson", "names a file"),
        (None, "None is no GeoJSON area"),
        (polygon([[n / 1e4, n * n / 1e8] for n in range(1_001)]), "more than 1000 positions"),
    ],
)
def test_what_bounds_no_area_is_refused_with_a_sentence(document: object, says: str):
    assert says in said(document)


def test_a_plan_takes_the_files_content_and_is_complete_by_itself(tmp_path: Path):
    (tmp_path / "park.geojson").write_text(json.dumps(polygon(SQUARE), indent=2))
    text = with_files(PLAN, lambda name: (tmp_path / name).read_text())
    assert text.count("\n") == PLAN.count("\n")  # line numbers stay as they are
    plan = parse_plan(text)
    assert plan.stage(Stage.LIMITED_SCOPE).scope.area == region_of(polygon(SQUARE))
    again = plan_from_document(json.loads(json.dumps(plan_document(plan))))
    assert again == plan
    assert isinstance(again.stage(Stage.LIMITED_SCOPE).scope.area, Region)


def test_the_name_of_a_file_alone_is_no_plan_for_a_service():
    (problem,) = lint(PLAN)
    assert problem.line == 6
    assert "names a file" in problem.message


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot read 'park.geojson'"), ("{", "'park.geojson' is no GeoJSON")],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, content: str | None, says: str
):
    if content is not None:
        (tmp_path / "park.geojson").write_text(content)
    with pytest.raises(Invalid, match="line 6: ") as refused:
        with_files(PLAN, lambda name: (tmp_path / name).read_text())
    assert says in str(refused.value)


@pytest.mark.parametrize("text", ["a: [", "stages: 3", "stages: [{scope: no}]", ""])
def test_a_text_without_such_a_file_stays_as_it_is(text: str):
    assert with_files(text, lambda name: name) == text


@pytest.mark.parametrize(
    ("area", "says"),
    [
        ("{latitude: [44, 45]}", "an area is a box or polygons"),
        ("{}", "an area is a box or polygons"),
        ("{latitude: [44, 45], longitude: [1, 1]}", "two longitudes within -180 and 180"),
        ("{latitude: [45, 44], longitude: [1, 2]}", "must rise and lie within -90 and 90"),
    ],
)
def test_half_an_area_is_refused(area: str, says: str):
    assert any(says in p.message for p in lint(PLAN.replace("{geojson: park.geojson}", area)))


def test_a_box_may_cross_the_antimeridian():
    text = PLAN.replace("{geojson: park.geojson}", "{latitude: [-20, -15], longitude: [177, -178]}")
    area = parse_plan(text).stage(Stage.LIMITED_SCOPE).scope.area
    assert area == Area((-20, -15), (177, -178))
