"""Keras networks of users, on our windows, features and seeds."""

from cryptodask.models.keras.network import KerasNetwork
from cryptodask.models.keras.pooled import PooledKerasNetwork

__all__ = ["KerasNetwork", "PooledKerasNetwork"]
