"""Disks that fill, and databases that take no write."""
