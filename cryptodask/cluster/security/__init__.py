"""Certificates, TLS, and what may listen."""
