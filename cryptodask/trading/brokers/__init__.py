"""Brokers, which make requests orders, and orders fills."""
