"""Polygons on the globe: which points they hold, edges included, also across the antimeridian.

Longitudes go around: an edge between two corners takes the short way, so a ring from 179 to -179
degrees crosses the antimeridian instead of spanning the world. Plain arithmetic on a few hundred
corners answers in microseconds; a geometry library in every serving process would not be faster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

Position = tuple[float, float]  # longitude, latitude, as in GeoJSON
Ring = tuple[Position, ...]  # closed: the last corner is the first
Polygon = tuple[Ring, ...]  # the outer ring, then its holes

_ON_EDGE = 1e-9  # degrees, a tenth of a millimetre


@dataclass(frozen=True, slots=True)
class Region:
    """An area made of polygons; rings are unwrapped, so longitudes may exceed 180 degrees."""

    polygons: tuple[Polygon, ...]

    def contains(self, longitude: float, latitude: float) -> bool:
        """Whether a point lies in one of the polygons or on an edge of it."""
        turns = (longitude - 360, longitude, longitude + 360)
        return any(_holds(polygon, (x, latitude)) for polygon in self.polygons for x in turns)

    def __str__(self) -> str:
        rings = [ring for polygon in self.polygons for ring in polygon]
        corners = sum(len(ring) - 1 for ring in rings)
        polygons = "1 polygon" if len(self.polygons) == 1 else f"{len(self.polygons)} polygons"
        return f"{polygons} with {corners} corners"


def unwrapped(ring: Sequence[Position]) -> Ring:
    """The ring with each corner within half a turn of the one before."""
    found: list[Position] = []
    for longitude, latitude in ring:
        if found:
            longitude += 360 * round((found[-1][0] - longitude) / 360)
        if not found or (longitude, latitude) != found[-1]:
            found.append((longitude, latitude))
    return tuple(found)


def objection(ring: Ring) -> str | None:
    """Why an unwrapped ring bounds no area, as the end of a sentence; None if it does."""
    if len(ring) < 2 or (ring[0][1], ring[0][0] % 360) != (ring[-1][1], ring[-1][0] % 360):
        return "is not closed: its last position must be its first"
    if ring[0] != ring[-1]:
        return "goes around a pole; cut it along a meridian"
    if len(ring) < 4:
        return "has fewer than three corners"
    at = next(_meetings(ring), None)
    if at is None:
        return None
    where = f"crosses or touches itself near {_spoken(at)}"
    return f"{where}; list its corners in their order along its edge"


def crossing(one: Ring, other: Ring) -> Position | None:
    """Where two rings cross; meeting in single corners is allowed."""
    for a, b in pairwise(one):
        for c, d in pairwise(other):
            if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
                return c
    return None


def inside(ring: Ring, point: Position) -> bool | None:
    """Whether a point is inside a ring; None on its edge."""
    x, y = point
    odd = False
    for a, b in pairwise(ring):
        if _on(a, b, point):
            return None
        if (a[1] > y) is not (b[1] > y) and x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]):
            odd = not odd
    return odd


def _holds(polygon: Polygon, point: Position) -> bool:
    outer, *holes = polygon
    if inside(outer, point) is False:
        return False
    return not any(inside(hole, point) for hole in holes)


def _meetings(ring: Ring) -> Iterator[Position]:
    """Corners at which edges meet that are not neighbours, or neighbours that turn back."""
    edges = list(pairwise(ring))
    for (i, (a, b)), (j, (c, d)) in combinations(enumerate(edges), 2):
        first_and_last = i == 0 and j == len(edges) - 1
        if j == i + 1 or first_and_last:
            far_one, far_other = (b, c) if first_and_last else (a, d)
            if _on(c, d, far_one) or _on(a, b, far_other):
                yield far_other
        elif _meet(a, b, c, d):
            yield c


def _meet(a: Position, b: Position, c: Position, d: Position) -> bool:
    if min(a[0], b[0]) > max(c[0], d[0]) or min(c[0], d[0]) > max(a[0], b[0]):
        return False
    if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
        return True
    return _on(a, b, c) or _on(a, b, d) or _on(c, d, a) or _on(c, d, b)


def _side(a: Position, b: Position, point: Position) -> float:
    """Positive to the left of the line from a to b, negative to its right."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def _on(a: Position, b: Position, point: Position) -> bool:
    """Whether a point lies on the edge from a to b."""
    for axis in (0, 1):
        low, high = sorted((a[axis], b[axis]))
        if not low - _ON_EDGE <= point[axis] <= high + _ON_EDGE:
            return False
    length = abs(b[0] - a[0]) + abs(b[1] - a[1])
    return abs(_side(a, b, point)) <= _ON_EDGE * length


def _spoken(at: Position) -> str:
    return f"longitude {at[0]:.6g}, latitude {at[1]:.6g}"
