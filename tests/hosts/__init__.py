"""Whole hosts beside other extensions, under the servers that people use."""
