"""What a request about personal data is refused for. Each message says why."""

from __future__ import annotations


class Refused(Exception):
    """The act is refused. The message says why."""


class NotPossible(Refused):
    """Its state does not allow the act."""


class UnknownToUs(Refused):
    """There is no such erasure, hold or relationship."""


class SamePerson(Refused):
    """The act takes another person than the one who began."""
