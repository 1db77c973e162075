"""The price table on disk: storage, index, growth."""
