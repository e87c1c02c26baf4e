"""Puts Python's own subprocess in the place of eventlet's; imported first by what privileged daemons are forked from.

Neutron's privileged functions run in threads, and use eventlet's subprocess, whose locks belong to one thread's hub:
now and then "greenlet.error: cannot switch to a different thread", after which the daemon, and the agent that waits for
it, hang for ever (a DHCP agent so: servers without addresses).
"""

import subprocess
import sys

import eventlet.green  # type: ignore[import-not-found]

sys.modules["eventlet.green.subprocess"] = subprocess
eventlet.green.subprocess = subprocess
