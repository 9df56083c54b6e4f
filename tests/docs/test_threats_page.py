"""The page of threats, held to the tests: each line names the tests that hold it, and each test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "threats.md"

ATTACKERS = [
    "Stranger",
    "Vendor with a valid secret",
    "Browser at the console",
    "Reader",
    "Linker",
    "Starter",
    "Operator",
    "Insider with the database",
    "Insider with the queue",
    "Insider with the disk",
]

LINK = re.compile(r"\[`(\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")

#: What a cell may say instead of naming tests, each with a reason.
EXCUSES = re.compile(r"(not held|open): \S.*")


@cache
def sections() -> dict[str, list[list[str]]]:
    """Return the rows of each attacker's table."""
    _, *parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: _rows(text) for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def _rows(text: str) -> list[list[str]]:
    head, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| attack | defence | held by |"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def cells() -> list[str]:
    return [row[-1] for rows in sections().values() for row in rows]


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the tests that pytest finds in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


NAMED = sorted({(name, file) for cell in cells() for name, file in LINK.findall(cell)})


def test_every_attacker_has_a_table_of_attacks() -> None:
    assert list(sections()) == ATTACKERS
    assert all(len(row) == 3 and all(row) for rows in sections().values() for row in rows)
    assert all(sections().values())


@pytest.mark.parametrize("cell", cells())
def test_every_attack_names_the_tests_that_hold_it_or_says_why_none_does(cell: str) -> None:
    assert LINK.sub("", cell).strip(", ") == "" or EXCUSES.fullmatch(cell)


@pytest.mark.parametrize(("name", "file"), NAMED)
def test_every_test_that_the_page_names_exists(name: str, file: str) -> None:
    assert Path(file).name.startswith("test_")
    assert name in names_in(file)
