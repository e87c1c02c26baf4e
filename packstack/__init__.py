"""A new OpenStack site from a bare host of the RHEL family, made by PackStack and ready to be joined to the VPN.

`settings` is what is said of a host; `facts`, `prechecks`, `preparation` and `answers` decide what is done on it,
without Pulumi and without a host; `provider` does it, by SSH; `host.PackStackHost` ties it together.
"""
