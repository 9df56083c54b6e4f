"""A problem of a verification that cannot be begun as it is asked for."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with one field. The sentence does not quote the value."""

    #: As a path: `person.first_name`, `documents[0].side`.
    field: str
    says: str
