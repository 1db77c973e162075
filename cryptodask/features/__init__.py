"""What models are fitted to, made from closes: windows and their normalisation."""

from cryptodask.features.windows import denormalize, normalize, windows

__all__ = ["denormalize", "normalize", "windows"]
