"""What models are fitted to: declared features, windows, and their normalisation."""

from cryptodask.features.space import FeatureSpace
from cryptodask.features.windows import denormalize, normalize, unbroken, windows

__all__ = ["FeatureSpace", "denormalize", "normalize", "unbroken", "windows"]
