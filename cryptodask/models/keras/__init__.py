"""Keras networks of users, on our windows, features and seeds."""
