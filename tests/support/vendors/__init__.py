"""The vendors in tests: played ones, calls to them, and verifications that are started at them."""
