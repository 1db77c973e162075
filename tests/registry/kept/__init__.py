"""Versions as earlier releases wrote them, and what they forecast."""
