"""What runs inside a container: copied into the golden layer."""
