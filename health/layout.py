"""Where things go in the drawing: cards around an ellipse, curves between them, a label on each. Pure geometry.

Lengths are in pixels; y grows downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

Point = tuple[float, float]
Line = tuple[Point, Point]
Size = tuple[float, float]

GAP = 28  # at least, between a card and another or a label
LABEL_GAP = 6  # at least, between labels
GROWTH = 1.05  # how much larger the ellipse is at the next try
BEND = 0.5  # how far a curve is bent from the straight way to the middle of all, so that it keeps off other cards
SEGMENTS = 12  # straight ones, which a curve is taken for
#: where on its curve a label may be, the middle first
PLACES = sorted((step / 40 for step in range(4, 37)), key=lambda place: abs(place - 0.5))


@dataclass(frozen=True)
class Rect:
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def moved(self, x: float, y: float) -> Rect:
        return Rect(self.x + x, self.y + y, self.width, self.height)

    def overlaps(self, other: Rect, gap: float = 0) -> bool:
        """Whether less than `gap` lies between them."""
        return (
            self.x < other.right + gap
            and other.x < self.right + gap
            and self.y < other.bottom + gap
            and other.y < self.bottom + gap
        )

    def touches(self, curve: Curve) -> bool:
        """Whether a part of it lies inside."""
        return self.overlaps(curve.extent) and any(map(self._touches, curve.lines))

    def _touches(self, line: Line) -> bool:
        """Liang and Barsky's way to cut a line off at a rectangle (https://en.wikipedia.org/wiki/Liang%E2%80%93Barsky_algorithm)."""
        (x, y), (end_x, end_y) = line
        enter, leave = 0.0, 1.0
        for start, way, low, high in ((x, end_x - x, self.x, self.right), (y, end_y - y, self.y, self.bottom)):
            if way == 0:
                if not low < start < high:
                    return False
                continue
            first, last = sorted(((low - start) / way, (high - start) / way))
            enter, leave = max(enter, first), min(leave, last)
        return enter < leave


@dataclass(frozen=True)
class Curve:
    """A quadratic Bézier curve."""

    start: Point
    control: Point
    end: Point

    def at(self, place: float) -> Point:
        """A point on it; `place`: 0 at its start, 1 at its end."""
        parts = (1 - place) ** 2, 2 * place * (1 - place), place**2
        points = self.start, self.control, self.end
        x, y = (sum(part * point[axis] for part, point in zip(parts, points, strict=True)) for axis in (0, 1))
        return x, y

    @cached_property
    def lines(self) -> list[Line]:
        return list(pairwise(self.at(step / SEGMENTS) for step in range(SEGMENTS + 1)))

    @cached_property
    def extent(self) -> Rect:
        return around([self.start, *(end for _, end in self.lines)])

    def moved(self, x: float, y: float) -> Curve:
        start, control, end = ((a + x, b + y) for a, b in (self.start, self.control, self.end))
        return Curve(start, control, end)


@dataclass(frozen=True)
class Layout:
    """Cards, curves and labels in the order they were given."""

    cards: list[Rect]
    #: whether the card is on the right
    mirrored: list[bool]
    #: one for each label, from anchor to anchor
    curves: list[Curve]
    labels: list[Rect]

    @property
    def extent(self) -> Rect:
        """The smallest rectangle around all."""
        rects = [*self.cards, *self.labels, *(one.extent for one in self.curves)]
        return around([(one.x, one.y) for one in rects] + [(one.right, one.bottom) for one in rects])

    def moved(self, x: float, y: float) -> Layout:
        return Layout(
            [one.moved(x, y) for one in self.cards],
            self.mirrored,
            [one.moved(x, y) for one in self.curves],
            [one.moved(x, y) for one in self.labels],
        )


def around(points: Sequence[Point]) -> Rect:
    """The smallest rectangle that holds all."""
    (x, right), (y, bottom) = ((min(values), max(values)) for values in zip(*points, strict=True))
    return Rect(x, y, right - x, bottom - y)


def place(count: int, card: Size, anchor: Point, links: Sequence[tuple[int, int]], labels: Sequence[Size]) -> Layout:
    """Two cards side by side, more around an ellipse: the smallest one where nothing overlaps.

    `anchor`: where in a card on the left its curves begin; a card on the right is the mirror image. `links`: the cards
    that each curve joins. No curve touches a third card, no label a card or another label.
    """
    scale = 0.5
    while True:
        cards = ellipse(count, card, scale)
        anchors = [anchor_of(one, anchor) for one in cards]
        middle = mean(anchors)
        curves = [curve(anchors[start], anchors[end], middle) for start, end in links]
        if apart(cards) and clear_of_others(cards, curves, links):
            placed = place_labels(curves, labels, cards)
            if placed is not None:
                return Layout(cards, list(map(is_mirrored, cards)), curves, placed)
        scale *= GROWTH


def ellipse(count: int, card: Size, scale: float) -> list[Rect]:
    """Cards around (0, 0), clockwise from the upper left, or from the top when their number is odd."""
    width, height = card
    first = -math.pi / 2 - (0 if count % 2 else math.pi / count)
    angles = [first + 2 * math.pi * index / count for index in range(count)]
    radius = scale if count > 1 else 0
    # rounded, so that what is in the middle is not a little to one side of it
    centres = [
        (round(radius * width * math.cos(angle), 3), round(radius * height * math.sin(angle), 3)) for angle in angles
    ]
    return [Rect(x - width / 2, y - height / 2, width, height) for x, y in centres]


def is_mirrored(card: Rect) -> bool:
    """Whether a card around (0, 0) is on the right."""
    return card.centre[0] > 0


def anchor_of(card: Rect, anchor: Point) -> Point:
    x, y = anchor
    return card.x + (card.width - x if is_mirrored(card) else x), card.y + y


def mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def curve(start: Point, end: Point, middle: Point) -> Curve:
    """Between two anchors, bent towards the middle of all."""
    halfway = mean([start, end])
    x, y = (one + BEND * (other - one) for one, other in zip(halfway, middle, strict=True))
    return Curve(start, (x, y), end)


def apart(cards: Sequence[Rect]) -> bool:
    return not any(one.overlaps(other, GAP) for one, other in combinations(cards, 2))


def clear_of_others(cards: Sequence[Rect], curves: Sequence[Curve], links: Sequence[tuple[int, int]]) -> bool:
    """Whether each curve touches its own two cards alone."""
    return not any(
        card.touches(curve)
        for curve, ends in zip(curves, links, strict=True)
        for index, card in enumerate(cards)
        if index not in ends
    )


def place_labels(curves: Sequence[Curve], sizes: Sequence[Size], cards: Sequence[Rect]) -> list[Rect] | None:
    """A place for each label on its curve, if there is one for all, where the fewest other curves pass."""
    placed: list[Rect] = []
    for curve, (width, height) in zip(curves, sizes, strict=True):
        centres = [curve.at(place) for place in PLACES]
        free = [
            label
            for label in (Rect(x - width / 2, y - height / 2, width, height) for x, y in centres)
            if not any(label.overlaps(card, GAP) for card in cards)
            and not any(label.overlaps(other, LABEL_GAP) for other in placed)
        ]
        if not free:
            return None
        # the label's own curve counts everywhere alike; of equal places the first one is taken
        placed.append(min(free, key=lambda label: sum(map(label.touches, curves))))
    return placed
