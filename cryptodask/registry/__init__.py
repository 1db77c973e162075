"""Versions of trained models, their aliases, and what moves them."""
