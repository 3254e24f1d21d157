"""Files on disk become checked `Pair`s."""
