"""The services of a site, as commands in its container."""

from __future__ import annotations

import pathlib

PASSWORD = pathlib.Path("/etc/lab/password").read_text().strip()
# 'Connection: close': without it clients see resets when uwsgi drops a kept connection
UWSGI = (
    "uwsgi --plugins python3 --http-socket 0.0.0.0:{} --master --lazy-apps --need-app --enable-threads --die-on-term"
    " --buffer-size 65535 --add-header 'Connection: close' --processes 1 --threads 4 --listen 100 --disable-logging"
    " --wsgi-file {}"
)
NEUTRON = "--config-file=/etc/neutron/neutron.conf --config-file=/etc/neutron/plugins/ml2/ml2_conf.ini"
SERVICES = {
    "mariadb": "mariadbd --defaults-file=/etc/mysql/my.cnf --user=root",
    "memcached": "memcached -u root -l 127.0.0.1 -m 64",
    "rabbitmq": "rabbitmq-server",
    "libvirtd": "libvirtd",
    "keystone": UWSGI.format(5000, "/usr/bin/keystone-wsgi-public"),
    "placement": UWSGI.format(8778, "/usr/bin/placement-api"),
    "glance": "glance-api --config-file=/etc/glance/glance-api.conf",
    "nova-api": "nova-api --config-file=/etc/nova/nova.conf",
    "nova-conductor": "nova-conductor --config-file=/etc/nova/nova.conf",
    "nova-scheduler": "nova-scheduler --config-file=/etc/nova/nova.conf",
    "nova-compute": "nova-compute --config-file=/etc/nova/nova.conf",
    "neutron-server": f"neutron-server {NEUTRON}",
    "neutron-linuxbridge": f"neutron-linuxbridge-agent {NEUTRON} "
    "--config-file=/etc/neutron/plugins/ml2/linuxbridge_agent.ini",
    "neutron-l3": "neutron-l3-agent --config-file=/etc/neutron/neutron.conf --config-file=/etc/neutron/l3_agent.ini",
    "neutron-dhcp": "neutron-dhcp-agent --config-file=/etc/neutron/neutron.conf "
    "--config-file=/etc/neutron/dhcp_agent.ini",
    "neutron-metadata": "neutron-metadata-agent --config-file=/etc/neutron/neutron.conf "
    "--config-file=/etc/neutron/metadata_agent.ini",
}
# what the services of a family import, see zygote.py; the last one is for privsep-helper
FAMILIES = {
    "nova": "nova.cmd.api nova.cmd.compute nova.cmd.conductor nova.cmd.scheduler nova.compute.manager"
    " nova.conductor.manager nova.scheduler.manager nova.virt.libvirt.driver nova.api.openstack.compute.routes",
    "neutron": "selectin_loading neutron.cmd.eventlet.server neutron.cmd.eventlet.agents.l3"
    " neutron.cmd.eventlet.agents.dhcp neutron.cmd.eventlet.agents.metadata"
    " neutron.cmd.eventlet.plugins.linuxbridge_neutron_agent neutron.plugins.ml2.plugin"
    " neutron.services.l3_router.l3_router_plugin neutron.agent.l3.agent neutron.agent.dhcp.agent",
    "privsep": "plain_subprocess oslo_privsep.daemon"
    " neutron.privileged.agent.linux.ip_lib neutron.privileged.agent.linux.dhcp"
    " neutron.privileged.agent.linux.netlink_lib neutron.privileged.agent.linux.utils nova.privsep.fs"
    " nova.privsep.libvirt nova.privsep.linux_net nova.privsep.path nova.privsep.qemu"
    " nova.privsep.utils vif_plug_linux_bridge.linux_net",
}
SERVICES |= {f"zygote-{family}": f"python3 /etc/lab/inside/zygote.py {modules}" for family, modules in FAMILIES.items()}
ADMIN = {
    "OS_AUTH_URL": "http://127.0.0.1:5000/v3",
    "OS_USERNAME": "admin",
    "OS_PASSWORD": PASSWORD,
    "OS_PROJECT_NAME": "admin",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
    "OS_IDENTITY_API_VERSION": "3",
    "OS_INTERFACE": "internal",
}
