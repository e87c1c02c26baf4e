"""Started by Pulumi's engine: serves the provider for VyOS."""

from vyos_provider.resources import kinds
from vyos_provider.serving import main

main("vyos", kinds())
