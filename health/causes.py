"""The causes that a diagnosis can name, each with what it means and what to do. docs/status.md lists the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Layer(IntEnum):
    """What a packet needs, in order: what is wrong at one layer explains what is missing from there on."""

    CLOUD = 0
    ROUTER = 1
    TUNNEL = 2
    IKE = 3
    ESP = 4
    LAN = 5
    PATH = 6
    NAMES = 7
    #: what explains no failure
    NOTHING = 8


class Cause(Enum):
    """A named cause."""

    CLOUD_UNREACHABLE = "cloud API unreachable"
    ROUTER_UNREACHABLE = "router unreachable"
    PEER_UNREACHABLE = "peer unreachable"
    HOST_KEY_CHANGED = "host key changed"
    TUNNEL_CHANGED = "tunnel interface changed"
    ROUTER_FIREWALL = "router's firewall blocks"
    IPIP_BLOCKED = "IPIP blocked by a security group"
    IPIP_LOST = "IPIP lost on the way"
    WRONG_PSK = "wrong PSK"
    PROPOSALS_DIFFER = "proposal mismatch"
    SELECTORS_DIFFER = "selectors mismatch"
    IKE_DOWN = "no IKE"
    ESP_DOWN = "no ESP"
    STALE_IKE = "stale IKE"
    LINUX_UNREACHABLE = "Linux VM unreachable"
    NO_ROUTE = "no route in the LAN"
    ANTI_SPOOFING = "anti-spoofing drops"
    LAN_GROUP_BLOCKS = "security group of the LAN blocks"
    LAN_LOST = "lost in the LAN"
    MTU_BLACK_HOLE = "MTU black hole"
    HIGH_LOSS = "high loss"
    CLOCK_WRONG = "clock wrong"
    DNS_SILENT = "DNS server does not answer"
    DNS_STALE = "DNS stale"
    CHANGED_BY_HAND = "changed by hand"


@dataclass(frozen=True)
class About:
    """What a cause means and what to do, for the operator."""

    layer: Layer
    explanation: str
    fix: str
    #: whether the site's cloud may know more: a first diagnosis that ends here asks it
    ask_cloud: bool = False


ABOUT = {
    Cause.CLOUD_UNREACHABLE: About(
        Layer.CLOUD,
        "The site's cloud does not answer this machine, refuses its login, or is not in clouds.yaml.",
        "`openstack --os-cloud CLOUD token issue` shows the cloud's words. If the site is gone for good: `lost: true`.",
    ),
    Cause.ROUTER_UNREACHABLE: About(
        Layer.ROUTER,
        "This machine gets no SSH session on the router.",
        "`adminCidrs` must hold the address that the router sees; see the server's console log.",
        ask_cloud=True,
    ),
    Cause.PEER_UNREACHABLE: About(
        Layer.ROUTER,
        "Neither this machine nor any peer gets an answer from the router: it is gone.",
        "`openstack server show` and `openstack console log show` of its VM; `openstack server start` it.",
        ask_cloud=True,
    ),
    Cause.HOST_KEY_CHANGED: About(
        Layer.ROUTER,
        "Another SSH host key than the machine's answers at its address; nothing was sent.",
        "Compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console; find out who answers there.",
    ),
    Cause.TUNNEL_CHANGED: About(
        Layer.TUNNEL,
        "The tunnel interface on the router is missing, or not as it was applied.",
        "`pulumi up` sets it again; if only the system differs (see the evidence), reboot the router.",
    ),
    Cause.ROUTER_FIREWALL: About(
        Layer.TUNNEL,
        "Firewall rules on the router are missing or changed, or an operator's own rule drops before them.",
        "`pulumi up` brings the program's rules back; an operator's own rule has to go by hand.",
    ),
    Cause.IPIP_BLOCKED: About(
        Layer.TUNNEL,
        "The security group of the router's port lacks the rule for IP protocol 4 from the peer.",
        "`pulumi up --refresh` makes the rule again.",
    ),
    Cause.IPIP_LOST: About(
        Layer.TUNNEL,
        "IPIP does not arrive, though the routers and (as far as these were asked) the security groups let it in.",
        "The provider between the sites must carry IP protocol 4. After a first `up`: wait ten minutes.",
        ask_cloud=True,
    ),
    Cause.WRONG_PSK: About(
        Layer.IKE,
        "The routers have different pre-shared keys for the link.",
        "`pulumi up` sets a key that was changed by hand; else another `keyRotation` for the link.",
    ),
    Cause.PROPOSALS_DIFFER: About(
        Layer.IKE,
        "The routers are not configured for the same ciphers, groups or lifetimes.",
        "`pulumi up` brings the lines back.",
    ),
    Cause.SELECTORS_DIFFER: About(
        Layer.ESP,
        "The routers do not agree on the prefixes that IPsec joins.",
        "`pulumi up` brings the lines back.",
    ),
    Cause.IKE_DOWN: About(
        Layer.IKE,
        "The routers reach each other in the tunnel but agree on no keys, and their configurations do not tell why.",
        "`show log vpn ipsec` on both routers; `sudo swanctl --initiate --child LINK-tunnel-0` asks again.",
    ),
    Cause.ESP_DOWN: About(
        Layer.ESP,
        "The routers have authenticated each other but have no ESP pair, and their configurations do not tell why.",
        "`show log vpn ipsec` on both routers; `sudo swanctl --initiate --child LINK-tunnel-0` asks again.",
    ),
    Cause.STALE_IKE: About(
        Layer.ESP,
        "IKE and ESP are up at both ends, but no packet passes through ESP.",
        "`sudo swanctl --terminate --ike LINK --force` on one router has both agree anew.",
    ),
    Cause.LINUX_UNREACHABLE: About(
        Layer.LAN,
        "The router answers, but the Linux VM behind it gives no SSH session.",
        "`openstack server show` and `openstack console log show` of the VM.",
        ask_cloud=True,
    ),
    Cause.NO_ROUTE: About(
        Layer.LAN,
        "The Linux VM does not send to the other LAN by way of VyOS, nor does the Neutron router.",
        "`pulumi up --refresh` sets the subnet's and the router's routes again; the VM takes them with its next lease.",
        ask_cloud=True,
    ),
    Cause.ANTI_SPOOFING: About(
        Layer.LAN,
        "The cloud drops what VyOS forwards into the LAN: its port's allowed address pairs lack the remote LAN.",
        "`pulumi up --refresh` sets the address pairs again.",
    ),
    Cause.LAN_GROUP_BLOCKS: About(
        Layer.LAN,
        "The security group of the Linux VM's port lacks the rule for the remote LAN.",
        "`pulumi up --refresh` makes the rule again.",
    ),
    Cause.LAN_LOST: About(
        Layer.LAN,
        "IPsec carries packets between the routers, but the Linux VMs get none, and the clouds do not tell why.",
        "Look for a firewall in the VM, or another machine with its address.",
        ask_cloud=True,
    ),
    Cause.MTU_BLACK_HOLE: About(
        Layer.PATH,
        "Packets of the link's MTU are lost while smaller ones arrive: TCP stalls.",
        "Lower the MTU of the transit networks to what the path carries, or have the provider carry more.",
    ),
    Cause.HIGH_LOSS: About(
        Layer.PATH,
        "More than a tenth of the pings is lost, but not all: a warning.",
        "Look again later; then ask the provider between the sites, or give the routers more processor.",
    ),
    Cause.CLOCK_WRONG: About(
        Layer.NAMES,
        "A machine's clock is more than a minute from the one here; from five minutes on DNS updates are refused.",
        "Set it and have it kept: `set service ntp server …` on a router, chrony or systemd-timesyncd on a VM.",
    ),
    Cause.DNS_SILENT: About(
        Layer.NAMES,
        "A name server does not answer, though its VM is reached.",
        "`systemctl status knot` and `journalctl -u knot` on the site's Linux VM.",
    ),
    Cause.DNS_STALE: About(
        Layer.NAMES,
        "Name servers have different serials, or one takes another server for the primary than the stack does.",
        "`sudo knotc zone-status` on the VMs, `sudo knotc zone-refresh` on the one behind; or `pulumi up`.",
    ),
    Cause.CHANGED_BY_HAND: About(
        Layer.NOTHING,
        "Other lines of the router than the above differ from what was applied.",
        "`pulumi up` brings them back; to keep them, take them into `vyos_templates/`.",
    ),
}
