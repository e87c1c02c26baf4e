"""The parts of the program: settings and plan (pure), rendering (pure), and the component resources."""

from components.catalogue import SiteCatalogue, look_up
from components.errors import ConfigurationError
from components.joined import Joined, join
from components.link_check import LinkCheck
from components.plan import LinkPlan, Plan, SitePlan, make_plan
from components.settings import Settings, parse_settings
from components.vpn_link import LinkEnd, VpnLink
from components.vpn_site import VpnSite

__all__ = [
    "ConfigurationError",
    "Joined",
    "LinkCheck",
    "LinkEnd",
    "LinkPlan",
    "Plan",
    "Settings",
    "SiteCatalogue",
    "SitePlan",
    "VpnLink",
    "VpnSite",
    "join",
    "look_up",
    "make_plan",
    "parse_settings",
]
