"""One OpenStack site: its layers, its services, its container."""
