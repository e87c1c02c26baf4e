"""The lab: real OpenStack clouds on this machine, in namespaces, for trying and testing the program."""
