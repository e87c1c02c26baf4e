"""From a stack's outputs to boxes, lines and texts, each with its place. Pure. Lengths are in pixels."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Literal, NamedTuple

from rich.cells import cell_len

from health.layout import Curve, Line, Rect, Size, place

Outputs = Mapping[str, Any]

MARGIN = 24  # around everything
PADDING = 24  # of a frame's text, both sides together
LINE_HEIGHT = 18
CHARACTER = 7.4  # a character's width; usual sans serif fonts of 13 pixels are not wider on average, but for these:
WIDE = re.compile("[mwMW@%&<>=+#~]")
LABEL_CHARACTERS = 32  # in a line of a link's label
LEGEND_HEIGHT = 26  # of each of its lines
SAMPLE = 56  # the length of a line in the legend
#: with more links, only numbers stand on the lines, and the labels below the drawing
MOST_LABELS = 3

# a site's parts in its card, on the left; on the right all is mirrored, so that VyOS is towards the middle
CARD: Size = (400, 282)
LINUX = Rect(16, 46, 184, 46)
DNS = Rect(208, 46, 176, 46)
LAN = Rect(16, 108, 368, 28)
NEUTRON = Rect(16, 152, 84, 72)
TRANSIT = Rect(112, 174, 92, 28)
VYOS = Rect(216, 152, 168, 72)
EXTERNAL = Rect(16, 240, 368, 28)
WIRES: list[Line] = [
    *(((one.centre[0], one.centre[1]), (one.centre[0], LAN.y)) for one in (LINUX, NEUTRON, VYOS)),
    (NEUTRON.centre, VYOS.centre),
    (NEUTRON.centre, (NEUTRON.centre[0], EXTERNAL.y)),
]


class LinkState(NamedTuple):
    """How a link is now."""

    state: Literal["up", "degraded", "down", "unknown"]
    #: a few words, like "4.1 ms, MTU 1374, keys 12 min old"
    text: str


#: of the legend; "checked" is what there is to say of a link whose state now is not given
MEANINGS = {
    "up": "up",
    "checked": "checked: worked at the last pulumi up",
    "degraded": "degraded",
    "down": "down",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Text:
    """A line of text; `style` is a class of the template's."""

    text: str
    style: str = "plain"


@dataclass(frozen=True)
class Box:
    """A frame with lines of text in its middle; `style` is a class of the template's."""

    rect: Rect
    style: str
    lines: Sequence[Text]

    @property
    def corner(self) -> float:
        """The radius of its corners: a network is round."""
        return self.rect.height / 2 if self.style == "network" else 6

    @property
    def texts(self) -> list[tuple[float, float, Text, float | None]]:
        """Each line's middle and baseline, the line, and the width to squeeze it into if it were wider than the box."""
        x, y = self.rect.centre
        first = y - LINE_HEIGHT * len(self.lines) / 2 + 13.5
        room = self.rect.width - PADDING / 2
        return [
            (x, first + LINE_HEIGHT * index, line, room if width_of(line.text) > room else None)
            for index, line in enumerate(self.lines)
        ]


@dataclass(frozen=True)
class Card:
    """A site: its networks and machines, and the wires between them."""

    rect: Rect
    name: str
    lost: bool
    boxes: list[Box]
    wires: list[Line]

    @property
    def name_room(self) -> float | None:
        """The width to squeeze the name into, if it were wider than the card; its characters are larger."""
        room = self.rect.width - 32 - (50 if self.lost else 0)
        return room if 1.4 * width_of(self.name) > room else None


@dataclass(frozen=True)
class Link:
    """A link; `ends` are places in the order of the sites, `texts` what there is to say about it."""

    name: str
    ends: tuple[int, int]
    state: str
    texts: list[str]


@dataclass
class Drawing:
    """All that is drawn; filled from the top down to `height`."""

    title: str
    description: str
    width: float = 0
    height: float = 0
    cards: list[Card] = field(default_factory=list)
    #: each link with its curve, and what stands on it
    links: list[tuple[Link, Curve, Box]] = field(default_factory=list)
    #: what else has a frame, and wires to it
    boxes: list[Box] = field(default_factory=list)
    wires: list[Line] = field(default_factory=list)
    #: of the legend: lines with the state that they stand for, and texts from their left ends on
    samples: list[tuple[Line, str]] = field(default_factory=list)
    notes: list[tuple[float, float, str]] = field(default_factory=list)


def draw(outputs: Outputs, states: Mapping[str, LinkState]) -> Drawing:
    """The sites with their links, below them the labels that have no room on their lines, then the legend.

    `states`: how links are now, by name; of a link without one it is told what was seen at the last `up`.
    """
    names = in_order(outputs)
    links = [link_of(name, outputs, names, states.get(name)) for name in sorted(outputs["links"])]
    drawing = Drawing(title_of(names), description_of(outputs, names, links))
    draw_sites(drawing, outputs, names, links)
    if len(links) > MOST_LABELS:
        draw_labels(drawing, links)
    draw_legend(drawing, outputs, links)
    return drawing


def in_order(outputs: Outputs) -> list[str]:
    """The sites' names; of a link's ends, the one with the lower site number has the lower address and comes first."""
    ends = [link["tunnelAddresses"] for link in outputs["links"].values()]
    second = [max(addresses, key=lambda site: IPv4Address(addresses[site])) for addresses in ends]
    return sorted(outputs["sites"], key=lambda name: (second.count(name), name))


def link_of(name: str, outputs: Outputs, names: list[str], live: LinkState | None) -> Link:
    link, sites = outputs["links"][name], outputs["sites"]
    ends = sorted(link["tunnelAddresses"], key=names.index)
    verified = link.get("verified") or {}
    lost = [site for site in ends if sites[site].get("lost")]
    state: str
    if live:
        state, texts = live.state, [live.text]
    elif lost:
        state, texts = "unknown", [f"{' and '.join(lost)} lost"]
    elif verified:
        state, texts = "checked", [f"from {site}: {verified[site]}" for site in ends if site in verified]
    else:
        state, texts = "unknown", ["not checked yet"]
    addresses = " ↔ ".join(link["tunnelAddresses"][site] for site in ends)
    return Link(name, (names.index(ends[0]), names.index(ends[1])), state, [*texts, addresses, f"MTU {link['mtu']}"])


def title_of(names: list[str]) -> str:
    return f"OpenStack sites joined by VPN: {', '.join(names)}"


def description_of(outputs: Outputs, names: list[str], links: list[Link]) -> str:
    """For those who do not see the drawing."""
    sentences = [f"The site {name} is lost." for name in names if outputs["sites"][name].get("lost")]
    return " ".join([*sentences, *(f"{link.name}: {', '.join([link.state, *link.texts])}." for link in links)])


def draw_sites(drawing: Drawing, outputs: Outputs, names: list[str], links: list[Link]) -> None:
    """The cards, the links between their routers, and what stands on the links."""
    if len(links) > MOST_LABELS:
        shown = [[Text(f"{number} {link.state}", link.state)] for number, link in enumerate(links, 1)]
    else:
        shown = [label(link.name, link) for link in links]
    sizes = [size_of(lines) for lines in shown]
    layout = place(len(names), CARD, VYOS.centre, [link.ends for link in links], sizes)
    extent = layout.extent
    layout = layout.moved(MARGIN - extent.x, MARGIN - extent.y)
    drawing.cards = [
        card(name, outputs, rect, mirrored)
        for name, rect, mirrored in zip(names, layout.cards, layout.mirrored, strict=True)
    ]
    drawing.links = [
        (link, curve, Box(rect, f"label {link.state}", lines))
        for link, curve, rect, lines in zip(links, layout.curves, layout.labels, shown, strict=True)
    ]
    drawing.width, drawing.height = extent.width + 2 * MARGIN, extent.height + 2 * MARGIN
    if len(names) == 2:
        draw_internet(drawing)


def card(name: str, outputs: Outputs, rect: Rect, mirrored: bool) -> Card:
    """A site in its place."""
    site, dns = outputs["sites"][name], outputs.get("dns") or {}
    boxes = [
        Box(LINUX, "machine", [Text("Linux VM", "strong"), Text(site["linuxAddress"])]),
        Box(LAN, "network", [Text(f"LAN {site['lan']}")]),
        Box(NEUTRON, "machine", [Text("Neutron", "strong"), Text("router", "strong")]),
        Box(TRANSIT, "network", [Text("transit")]),
        Box(
            VYOS,
            "machine vyos",
            [Text("VyOS", "strong"), Text(f"eth1 {site['vyosLanAddress']}"), Text(f"eth0 {site['eth0Address']}")],
        ),
        Box(EXTERNAL, "network", [Text(f"external network, floating IP {site['floatingIp']}")]),
    ]
    if server := dns.get("servers", {}).get(name):
        role = "DNS primary" if name == dns.get("primary") else "DNS secondary"
        boxes.append(Box(DNS, "dns", [Text(role, "strong"), Text(server)]))

    def in_place(x: float, y: float) -> tuple[float, float]:
        return rect.x + (rect.width - x if mirrored else x), rect.y + y

    def box_in_place(box: Box) -> Box:
        x, y = in_place(box.rect.right if mirrored else box.rect.x, box.rect.y)
        return Box(Rect(x, y, box.rect.width, box.rect.height), box.style, box.lines)

    return Card(
        rect,
        name,
        bool(site.get("lost")),
        [box_in_place(box) for box in boxes],
        [(in_place(*start), in_place(*end)) for start, end in WIRES],
    )


def draw_internet(drawing: Drawing) -> None:
    """Below two cards, with a wire from each."""
    left, right = (card.rect for card in drawing.cards)
    internet = Rect(left.x + EXTERNAL.x, drawing.height, right.right - left.x - 2 * EXTERNAL.x, EXTERNAL.height)
    drawing.boxes.append(Box(internet, "network", [Text("internet")]))
    drawing.wires += [((one.centre[0], one.y + EXTERNAL.bottom), (one.centre[0], internet.y)) for one in (left, right)]
    drawing.height = internet.bottom + MARGIN


def draw_labels(drawing: Drawing, links: list[Link]) -> None:
    """The links' labels with their numbers, in rows."""
    labels = [label(f"{number}  {link.name}", link) for number, link in enumerate(links, 1)]
    width, height = (max(size) for size in zip(*map(size_of, labels), strict=True))
    room, gap, top = drawing.width - 2 * MARGIN, MARGIN / 2, drawing.height
    columns = max(1, int((room + gap) // (width + gap)))
    step = (room + gap) / columns
    for index, (link, lines) in enumerate(zip(links, labels, strict=True)):
        row, column = divmod(index, columns)
        rect = Rect(MARGIN + column * step, top + row * (height + gap), step - gap, height)
        drawing.boxes.append(Box(rect, f"label {link.state}", lines))
        drawing.height = rect.bottom + MARGIN


def draw_legend(drawing: Drawing, outputs: Outputs, links: list[Link]) -> None:
    """What the lines mean, and the internal DNS."""
    texts = (
        ["A line between two VyOS routers is a link: IPsec (IKEv2, AES-256-GCM) on IPIP between their floating IPs."]
        if links
        else []
    )
    if dns := outputs.get("dns"):
        texts.append(f"Internal DNS: {dns['domain']}")
    y = drawing.height + 8
    for text in texts:
        drawing.notes.append((MARGIN, y, text))
        y += LEGEND_HEIGHT
    x: float = MARGIN
    for state, meaning in MEANINGS.items():
        if any(link.state == state for link in links):
            drawing.samples.append((((x, y - 5), (x + SAMPLE, y - 5)), state))
            drawing.notes.append((x + SAMPLE + 8, y, meaning))
            x += SAMPLE + width_of(meaning) + MARGIN + 8
    drawing.width = max([drawing.width, *(start + width_of(text) + MARGIN for start, _, text in drawing.notes)])
    drawing.height = y + MARGIN


def label(name: str, link: Link) -> list[Text]:
    """All there is to say about a link."""
    return [
        *(Text(line, "strong") for line in wrapped(name)),
        Text(link.state, f"strong {link.state}"),
        *(Text(line) for text in link.texts for line in wrapped(text)),
    ]


def wrapped(text: str) -> list[str]:
    """The lines of a label's text; a long one is broken after colons, then where it can be after commas."""
    phrases = re.split("(?<=:) ", text) if len(text) > LABEL_CHARACTERS else [text]
    kept = [re.sub("(?<!,) ", "\N{NO-BREAK SPACE}", phrase) for phrase in phrases]
    lines = [line for phrase in kept for line in textwrap.wrap(phrase, LABEL_CHARACTERS, break_long_words=False)]
    return [part for line in lines for part in textwrap.wrap(line.replace("\N{NO-BREAK SPACE}", " "), LABEL_CHARACTERS)]


def size_of(lines: Sequence[Text]) -> Size:
    """Of a frame around lines of text; a longer line is squeezed."""
    widest = max(width_of(line.text) for line in lines)
    return min(widest, LABEL_CHARACTERS * CHARACTER) + PADDING, len(lines) * LINE_HEIGHT + 10


def width_of(text: str) -> float:
    return (max(cell_len(text), len(text)) + 0.5 * len(WIDE.findall(text))) * CHARACTER
