"""A queue in front of a slow upstream, inside Flask."""
