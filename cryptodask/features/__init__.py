"""What models are fitted to, made from closes: windows and their normalisation."""

from cryptodask.features.windows import denormalize, normalize, unbroken, windows

__all__ = ["denormalize", "normalize", "unbroken", "windows"]
