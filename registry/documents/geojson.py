"""GeoJSON (RFC 7946) as a region: polygons, alone or in features and collections."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from registry.documents.plan_values import wrong
from registry.domain.region import Polygon, Region, Ring, crossing, inside, objection, unwrapped

MOST_POSITIONS = 1_000  # each is compared with each, once, and with every request
_EXAMPLE = (
    "`geojson: {type: Polygon, coordinates: [[[-111, 44], [-110, 44], [-110, 45], [-111, 44]]]}`"
)


def region_of(document: Any) -> Region:
    """The region that a GeoJSON object describes; a sentence for the plan's author if it cannot."""
    if isinstance(document, str):
        raise wrong(
            f"{document!r} names a file, and a plan that is sent must hold the polygon itself; "
            f"start it with the command line, which reads the file, or write {_EXAMPLE}"
        )
    polygons = tuple(_polygon(coordinates) for coordinates in _polygons(document))
    if not polygons:
        raise wrong(f"this GeoJSON has no polygon; write for example {_EXAMPLE}")
    if sum(len(ring) for polygon in polygons for ring in polygon) > MOST_POSITIONS:
        raise wrong(
            f"this GeoJSON has more than {MOST_POSITIONS} positions, which every request would be "
            "held against; simplify it"
        )
    for polygon in polygons:
        _check(polygon)
    return Region(polygons)


def _polygons(document: Any) -> Iterator[Any]:
    """The coordinates of every polygon."""
    kind = document.get("type") if isinstance(document, Mapping) else None
    if kind == "FeatureCollection":
        for feature in _list(document, "features"):
            yield from _polygons(feature)
    elif kind == "Feature":
        yield from _polygons(document.get("geometry"))
    elif kind == "MultiPolygon":
        yield from _list(document, "coordinates")
    elif kind == "Polygon":
        yield document.get("coordinates")
    else:
        raise wrong(
            f"{kind!r} is no GeoJSON area; use Polygon, MultiPolygon, Feature or "
            f"FeatureCollection, such as {_EXAMPLE}"
        )


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list):
        raise wrong(f"this GeoJSON {document['type']} has no list of {key}")
    return found


def _polygon(coordinates: Any) -> Polygon:
    if not isinstance(coordinates, list) or not coordinates:
        raise wrong(f"a GeoJSON polygon is a list of rings; write for example {_EXAMPLE}")
    rings = tuple(_ring(ring) for ring in coordinates)
    return tuple(_beside(rings[0], ring) for ring in rings)


def _ring(positions: Any) -> Ring:
    if not isinstance(positions, list) or not positions:
        raise wrong("a ring of this GeoJSON polygon is no list of positions")
    return unwrapped([_position(position) for position in positions])


def _position(position: Any) -> tuple[float, float]:
    if not isinstance(position, list) or len(position) < 2 or not all(map(_number, position[:2])):
        raise wrong(f"{position!r} is no position; write `[longitude, latitude]` in degrees")
    longitude, latitude = float(position[0]), float(position[1])
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise wrong(
            f"{position!r} is not on earth; a position is `[longitude, latitude]`, in this order, "
            "within 180 and 90 degrees"
        )
    return longitude, latitude


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _beside(outer: Ring, ring: Ring) -> Ring:
    """A hole on the same turn of the globe as its outer ring."""
    turn = 360 * round((outer[0][0] - ring[0][0]) / 360)
    return tuple((longitude + turn, latitude) for longitude, latitude in ring)


def _check(polygon: Polygon) -> None:
    for number, ring in enumerate(polygon):
        if reason := objection(ring):
            name = "the polygon" if number == 0 else f"hole {number} of the polygon"
            raise wrong(f"{name} {reason}")
    for one, other in combinations(polygon, 2):
        if at := crossing(one, other):
            raise wrong(
                f"two rings of a polygon cross near longitude {at[0]:.6g}, latitude {at[1]:.6g}"
            )
    for number, hole in enumerate(polygon[1:], start=1):
        if any(inside(polygon[0], corner) is False for corner in hole):
            raise wrong(f"hole {number} of the polygon lies outside of it")
