"""Journeys: two versions of the service side by side."""
