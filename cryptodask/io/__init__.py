"""Where results are: paths and URLs, files that are whole or absent, and locks."""
