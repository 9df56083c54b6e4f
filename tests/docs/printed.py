"""What a page says is printed, compared with what is."""

from __future__ import annotations

import re
from collections.abc import Mapping


def printed_line(expected: str, printed: str, names: Mapping[str, str]) -> bool:
    """Whether a line was printed that is as expected: `…` stands for what differs, spaces for any number of them, names for what they
    name here."""
    for name, value in names.items():
        expected = expected.replace(name, value)
    parts = re.split(r"(…|\s+)", expected.strip())
    pattern = "".join(".*" if part == "…" else r"\s+" if part.isspace() else re.escape(part) for part in parts)
    return any(re.fullmatch(pattern, line.strip()) for line in printed.splitlines())
