"""Which character set a corpus of texts is in."""
