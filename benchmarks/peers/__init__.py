"""What others promise, and what that costs: receivers of webhooks that keep their events, each in an environment of its own."""
