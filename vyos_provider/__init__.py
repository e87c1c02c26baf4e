"""A Pulumi provider for VyOS routers: configuration that is applied safely and read back, and the keys it needs.

A provider of the project's own, named in Pulumi.yaml, because what is promised of a router's configuration needs more
than to run a command: a preview that reads the router, a second login while a commit waits to be confirmed.
"""
