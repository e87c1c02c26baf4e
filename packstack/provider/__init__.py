"""A Pulumi provider for hosts that PackStack makes an OpenStack of; its resources are the steps, one after another.

A provider of the project's own, since the command provider cannot tell all prechecks before it touches anything, cannot
read a host again, and a session that is lost ends its command's resource: here the run goes on, and is attached to.
"""
