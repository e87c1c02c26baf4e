"""The router image's stand-in for VyOS's command line; see vyos_standin."""
