"""The lab's sites and their addresses (RFC 5737 and RFC 2544 ranges, which exist only inside the lab's namespaces)."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "vpnlab-"
INTERNET = f"{PREFIX}inet"
PROVIDER_NETWORK = "203.0.113.0/24"
PROVIDER_GATEWAY = "203.0.113.1"  # the client's own address too: where `pulumi` runs


@dataclass(frozen=True)
class Site:
    """A site by its name and number; everything else follows from them."""

    name: str
    number: int

    @property
    def namespace(self) -> str:
        return PREFIX + self.name

    @property
    def region(self) -> str:
        return self.name.capitalize()

    @property
    def client_address(self) -> str:
        """The client's end of the management network."""
        return f"198.18.{self.number}.1"

    @property
    def api_address(self) -> str:
        """Where the site's APIs listen."""
        return f"198.18.{self.number}.2"

    @property
    def pool(self) -> tuple[str, str]:
        """The first and the last floating IP."""
        first = 50 + 50 * self.number
        return f"203.0.113.{first}", f"203.0.113.{first + 49}"


SITES = {site.name: site for site in (Site("tokyo", 1), Site("osaka", 2), Site("nagoya", 3))}
DEFAULT = ("tokyo", "osaka")
