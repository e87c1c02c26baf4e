"""The drawing of a stack: what is on it, that it can be read, and that no name of a configuration breaks it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from health.diagram import link_states, svg
from health.drawing import CARD, MEANINGS, VYOS, Box, Drawing, LinkState, draw
from health.layout import Rect, place

REPO = Path(__file__).parent.parent.parent
RECORDED = Path(__file__).parent / "tokyo-osaka.json"
SVG = "{http://www.w3.org/2000/svg}"
STATES = (
    LinkState("up", "4.1 ms, MTU 1374, keys 12 min old"),
    LinkState("degraded", "190 ms, 12 % lost"),
    LinkState("down", "no IKE since 12:04"),
    LinkState("unknown", "the router cannot be reached by SSH"),
)
#: with what XML does not allow, what nobody sees, and more than a frame is wide
HOSTILE = "<script>alert(1)</script>&\"'\x1b]]>\u202e" + "w" * 60
SHOWN = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}").replace("\u202e", "\N{REPLACEMENT CHARACTER}")


def outputs_of(*names: str) -> dict[str, Any]:
    """The outputs of a full mesh, with internal DNS."""
    sites = {
        name: {
            "eth0Address": f"172.31.{number}.13",
            "floatingIp": f"203.0.113.{100 + number}",
            "lan": f"192.168.{number}.0/24",
            "linuxAddress": f"192.168.{number}.77",
            "vyosLanAddress": f"192.168.{number}.254",
        }
        for number, name in enumerate(names, 1)
    }
    links = {
        f"{one}-{other}": {
            "mtu": 1374,
            "tunnelAddresses": {other: f"10.255.0.{4 * number + 2}", one: f"10.255.0.{4 * number + 1}"},
            "verified": {one: "3 of 3 pings answered, 9.077 ms", other: "3 of 3 pings answered, 9.204 ms"},
        }
        for number, (one, other) in enumerate(combinations(names, 2))
    }
    servers = {name: site["linuxAddress"] for name, site in sites.items()}
    return {
        "sites": sites,
        "links": links,
        "dns": {"domain": "corp.internal", "primary": names[0], "servers": servers},
        "sshPrivateKeys": "[secret]",
    }


def mesh(count: int) -> dict[str, Any]:
    return outputs_of(*(f"site-{number}" for number in range(1, count + 1)))


def some_states(outputs: dict[str, Any]) -> dict[str, LinkState]:
    return {name: STATES[number % len(STATES)] for number, name in enumerate(outputs["links"])}


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_shows_all_of_the_outputs(count: int) -> None:
    outputs = mesh(count)
    states = some_states(outputs)
    shown = texts(svg(outputs, states))
    words = {word for text in shown for word in text.split()}
    for name, site in outputs["sites"].items():
        assert name in shown
        assert set(site.values()) <= words
    for name, link in outputs["links"].items():
        assert {name, states[name].state, *link["tunnelAddresses"].values()} <= words
    assert "Internal DNS: corp.internal" in shown
    assert [shown.count("DNS primary"), shown.count("DNS secondary")] == [1, count - 1]


@pytest.mark.parametrize("shape", ["mesh", "star", "alone"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 10])
def test_nothing_overlaps(count: int, shape: str) -> None:
    outputs = mesh(count)
    if shape != "mesh":
        among = {"star": "site-1-", "alone": "none"}[shape]
        outputs["links"] = {name: link for name, link in outputs["links"].items() if name.startswith(among)}
    assert_apart(draw(outputs, some_states(outputs)))
    assert_apart(draw(outputs, {}))


def test_long_names_overlap_nothing() -> None:
    outputs = outputs_of("a-site-with-a-name-of-thirty-ch", "another-one-whose-name-is-long", HOSTILE)
    assert_apart(draw(outputs, dict.fromkeys(outputs["links"], LinkState("down", HOSTILE * 3))))
    alone = mesh(1)
    alone["dns"]["domain"] = 5 * "a-long-label-of-a-long-domain-name." + "internal"
    assert_apart(draw(alone, {}))


def test_curves_keep_off_the_cards_between() -> None:
    """Every second one of six is where they would not, at the size that the cards alone need."""
    links = [(one, (one + 2) % 6) for one in range(6)]
    layout = place(6, CARD, VYOS.centre, links, [(60, 28)] * 6)
    for curve, ends in zip(layout.curves, links, strict=True):
        assert {index for index, card in enumerate(layout.cards) if card.touches(curve)} == set(ends)


def assert_apart(drawing: Drawing) -> None:
    """No two frames overlap, each text is inside its frame, each line is at its own two sites alone."""
    labels = [box for _, _, box in drawing.links] + drawing.boxes
    frames = [card.rect for card in drawing.cards] + [box.rect for box in labels]
    assert_no_overlaps(frames)
    assert all(inside(frame, Rect(0, 0, drawing.width, drawing.height)) for frame in frames)
    for card in drawing.cards:
        assert_no_overlaps([box.rect for box in card.boxes])
        assert all(inside(box.rect, card.rect) for box in card.boxes)
        assert (card.name_room or 18 / 13 * width(card.name)) < card.rect.width - 30
    for box in [*labels, *(box for card in drawing.cards for box in card.boxes)]:
        assert_texts_fit(box)
    for link, curve, _ in drawing.links:
        touched = [index for index, card in enumerate(drawing.cards) if card.rect.touches(curve)]
        assert touched == sorted(link.ends)
    assert all(x + width(text) < drawing.width for x, _, text in drawing.notes)
    # the legend is below everything
    assert min(y for _, y, _ in drawing.notes) - 13 > max(frame.bottom for frame in frames)


def assert_no_overlaps(rects: list[Rect]) -> None:
    assert not [(one, other) for one, other in combinations(rects, 2) if one.overlaps(other)]


def inside(inner: Rect, outer: Rect) -> bool:
    return outer.x <= inner.x and outer.y <= inner.y and inner.right <= outer.right and inner.bottom <= outer.bottom


def assert_texts_fit(box: Box) -> None:
    for _, y, line, room in box.texts:
        assert box.rect.y + 10 < y < box.rect.bottom - 3
        assert (room or width(line.text)) < box.rect.width


def width(text: str) -> float:
    """As DejaVu Sans, a wide font, has it at 13 pixels: letters and digits on average, and its widest characters."""
    return sum({"m": 12.7, "w": 10.6, "<": 10.9, ">": 10.9, "&": 10.1}.get(character, 7) for character in text)


def test_a_hostile_name_is_text() -> None:
    drawn = svg(outputs_of("tokyo", HOSTILE), {f"tokyo-{HOSTILE}": LinkState("down", HOSTILE)})
    root = ElementTree.fromstring(drawn)
    known = {"svg", "title", "desc", "style", "rect", "g", "path", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == known
    assert SHOWN in texts(drawn)
    assert f"tokyo-{SHOWN}: down" in [title.text for title in root.iter(f"{SVG}title")]


def test_states_are_told_by_words_and_dashes() -> None:
    """Not by colour alone."""
    outputs = mesh(3)
    root = ElementTree.fromstring(svg(outputs, dict(zip(outputs["links"], STATES, strict=False))))
    links = [path.get("class") for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    assert links == ["link up", "link degraded", "link down"]
    style = root.findtext(f"{SVG}style") or ""
    dashes = dict(re.findall(r"\.link\.(\w+) \{ stroke-dasharray: ([\d ]+)", style))
    assert {"up", *dashes} == set(MEANINGS)
    assert len(set(dashes.values())) == len(MEANINGS) - 1


def test_without_a_live_state_tells_what_was_seen() -> None:
    outputs = mesh(2)
    shown = texts(svg(outputs, {}))
    assert {"checked", "3 of 3 pings answered, 9.077 ms", "checked: worked at the last pulumi up"} <= set(shown)
    outputs["links"]["site-1-site-2"]["verified"] = {}
    assert {"unknown", "not checked yet"} <= set(texts(svg(outputs, {})))


def test_a_lost_site_is_crossed_out() -> None:
    outputs = mesh(2)
    outputs["sites"]["site-2"]["lost"] = True
    drawn = svg(outputs, {})
    assert {"lost", "unknown", "site-2 lost"} <= set(texts(drawn))
    root = ElementTree.fromstring(drawn)
    assert [path.get("class") for path in root.findall(f"{SVG}g[@class='lost']/{SVG}path[@class='cross']")] == ["cross"]
    assert "The site site-2 is lost." in (root.findtext(f"{SVG}desc") or "")


def test_can_be_read_aloud() -> None:
    outputs = mesh(2)
    root = ElementTree.fromstring(svg(outputs, {"site-1-site-2": STATES[0]}))
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root if element.get("id")}
    assert list(named) == (root.get("aria-labelledby") or "").split() == ["title", "desc"]
    assert named == {
        "title": "OpenStack sites joined by VPN: site-1, site-2",
        "desc": "site-1-site-2: up, 4.1 ms, MTU 1374, keys 12 min old, 10.255.0.1 ↔ 10.255.0.2, MTU 1374.",
    }


def test_the_first_end_of_a_link_comes_first() -> None:
    assert [card.name for card in draw(json.loads(RECORDED.read_text()), {}).cards] == ["tokyo", "osaka"]


def test_the_readmes_picture_is_of_today() -> None:
    """`python -m health.diagram --outputs tests/health/tokyo-osaka.json --output docs/tokyo-osaka.svg` writes it anew."""
    assert (REPO / "docs/tokyo-osaka.svg").read_text() == run("--outputs", str(RECORDED), "--output", "-").stdout


def test_writes_a_file_named_after_the_stack(tmp_path: Path) -> None:
    assert run("--outputs", str(RECORDED), cwd=tmp_path).stdout == "written: tokyo-osaka.svg\n"
    assert ElementTree.parse(tmp_path / "tokyo-osaka.svg").getroot().tag == f"{SVG}svg"


def test_nothing_to_draw(tmp_path: Path) -> None:
    (tmp_path / "hq.json").write_text("{}")
    done = run("--outputs", "hq.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hq has no sites yet; `pulumi up` makes them\n"
    assert not list(tmp_path.glob("*.svg"))


def run(*arguments: str, cwd: Path = REPO) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "health.diagram", *arguments]
    return subprocess.run(command, cwd=cwd, env={"PYTHONPATH": str(REPO)}, capture_output=True, text=True)


def test_states_are_those_that_status_has_found() -> None:
    end = {"milliseconds": 4.12, "mtu": 1374, "ike_age": 720}
    links = [
        {"name": "a-b", "state": "up", "ends": [end, end], "causes": []},
        {"name": "a-c", "state": "down", "ends": [end, end], "causes": ["wrong PSK"]},
        {"name": "b-c", "state": "unknown", "ends": [dict.fromkeys(end), end], "causes": []},
        {"name": "c-d", "state": "lost", "ends": [end, end], "causes": []},
    ]
    assert link_states({"links": links}) == {
        "a-b": ("up", "4.1 ms, MTU 1374, keys 720 s old"),
        "a-c": ("down", "wrong PSK"),
        "b-c": ("unknown", ""),
    }
