"""What is odd in prices: findings, policies and gaps."""
