"""Which pages are there about the service itself? Events, replays, reactions, reconciliations and vendors."""
