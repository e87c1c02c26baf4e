"""What a diagnosis is made of: findings, and which of them explain which failures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from health.causes import ABOUT, Cause, Layer
from health.facts import End, Link, Router, SiteFacts

#: what was found out, by the sites' names; nothing for a site that is lost
Facts = Mapping[str, SiteFacts]


@dataclass(frozen=True)
class Finding:
    """A cause, where it is, and what shows it."""

    cause: Cause
    evidence: tuple[str, ...]
    site: str = ""
    link: str = ""
    #: from which layer on it explains failures; without it, the cause's own
    layer: Layer | None = None

    @property
    def place(self) -> str:
        """The link, the site, or both."""
        link = f"link {self.link}" if self.link else ""
        return " at ".join(word for word in (link, self.site) if word)

    def explains(self, link: Link, layer: Layer) -> bool:
        """Whether a failure of the link at a layer is a consequence."""
        own = ABOUT[self.cause].layer if self.layer is None else self.layer
        return own <= layer and (self.link == link.name or (not self.link and self.site in link.sites))


def explained(found: Iterable[Finding], link: Link, layer: Layer) -> bool:
    return any(one.explains(link, layer) for one in found)


def routers(link: Link, facts: Facts) -> Iterator[tuple[End, End, Router]]:
    """The link's ends whose routers can be asked, each with its peer's end."""
    for end, peer in link.directions():
        router = facts[end.site].router
        if isinstance(router, Router):
            yield end, peer, router
