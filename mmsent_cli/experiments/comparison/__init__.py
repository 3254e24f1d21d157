"""Train several models on one split, and test their differences."""
