"""What all packages share of the terminal: options, lists and tables."""
