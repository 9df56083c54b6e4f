"""Are the tables what the log says? The tree is recomputed, each leaf is opened, and each row must have a leaf."""
