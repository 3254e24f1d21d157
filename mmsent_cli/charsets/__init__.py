"""Find the character set of a corpus of texts."""
