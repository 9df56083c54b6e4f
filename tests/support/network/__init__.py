"""Hosts, slow senders and raw bytes on the wire."""
