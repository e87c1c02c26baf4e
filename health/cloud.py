"""What a site's cloud says about the ports and routes of the site."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from health.facts import Cloud, Rule
from health.stack import CloudNames

if TYPE_CHECKING:
    import openstack

#: seconds that one request may take
REQUEST_SECONDS = 8


def ask(names: CloudNames) -> Cloud:
    """Ask as the user that clouds.yaml names; whatever goes wrong becomes the answer's `error`."""
    import openstack  # takes most of a second, which a sound stack does not need

    try:
        with openstack.connect(cloud=names.cloud, api_timeout=REQUEST_SECONDS) as cloud:
            return answers(cloud, names)
    except Exception as error:  # keystoneauth and requests have no common base for a service that is not there
        return Cloud(error=f"{names.cloud}: {str(error) or type(error).__name__}")


def answers(cloud: openstack.connection.Connection, names: CloudNames) -> Cloud:
    network, ids = cloud.network, names.ids
    eth0, eth1, linux = (network.get_port(ids[f"Port {role}"]) for role in ("eth0", "eth1", "linux"))
    router, subnet = network.get_router(ids["Router router"]), network.get_subnet(ids["Subnet lan"])
    return Cloud(
        router_status=cloud.compute.get_server(ids["Instance vyos"]).status,
        eth0_rules=rules(cloud, eth0),
        linux_rules=rules(cloud, linux),
        # without port security nothing is dropped
        address_pairs=tuple(IPv4Network(pair["ip_address"]) for pair in eth1.allowed_address_pairs)
        if eth1.is_port_security_enabled
        else (IPv4Network("0.0.0.0/0"),),
        routes=tuple((one["destination"], one["nexthop"]) for one in router.routes),
        dhcp_routes=tuple((one["destination"], one["nexthop"]) for one in subnet.host_routes),
    )


def rules(cloud: openstack.connection.Connection, port: openstack.network.v2.port.Port) -> tuple[Rule, ...]:
    """The ingress rules for IPv4; those for members of a group are of no use to a packet from afar."""
    if not port.is_port_security_enabled:
        return (Rule(protocol="", remote=None),)
    found = [
        rule
        for group in port.security_group_ids
        for rule in cloud.network.security_group_rules(security_group_id=group, direction="ingress", ether_type="IPv4")
    ]
    return tuple(
        Rule(protocol=rule.protocol or "", remote=IPv4Network(rule.remote_ip_prefix) if rule.remote_ip_prefix else None)
        for rule in found
        if not rule.remote_group_id
    )
