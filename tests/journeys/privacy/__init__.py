"""Journeys of personal data: from a request to its erasure, with real processes."""
