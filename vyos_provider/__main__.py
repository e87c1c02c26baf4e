"""Started by Pulumi's engine: serves the provider for VyOS."""

from vyos_provider.resources import package
from vyos_provider.serving import main

main("vyos", *package())
