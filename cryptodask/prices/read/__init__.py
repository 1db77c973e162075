"""From the bytes of files to rows and findings: layouts, cells, parsing."""
