"""Started by Pulumi's engine: serves the provider for PackStack's hosts."""

from packstack.provider.kinds import kinds
from vyos_provider.serving import main

main("packstack", kinds())
