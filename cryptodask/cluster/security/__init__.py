"""Certificates, TLS, what may listen, and which pages it answers."""
