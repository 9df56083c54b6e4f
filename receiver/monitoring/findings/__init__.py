"""Findings: the sentences that `standing status`, `standing doctor` and `/readyz` say, and what each is read from.

All three use the same sentences, so that one fact has one severity. `docs/monitoring.md` lists every sentence with its cause and its
command.
"""
