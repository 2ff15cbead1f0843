"""The alternatives, doing the same work."""
