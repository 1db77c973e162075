"""Models that fit little or nothing; all others are measured by them."""
