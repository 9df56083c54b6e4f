"""Hints: commands are named as they are typed where the code runs. That of an installed package is in tests/deploy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.text import hints

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize(("words", "expected"), [("up --played", "./dev up --played"), ("status", "./dev standing status")])
def test_in_a_checkout_a_command_is_typed_with_dev(words: str, expected: str) -> None:
    assert hints.typed(words) == expected


def texts(path: Path) -> Iterator[str]:
    """Every text of a module but for its docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_no_other_text_names_dev() -> None:
    modules = [path for package in ("receiver", "handlers", "store") for path in (ROOT / package).rglob("*.py")]
    naming = [path.relative_to(ROOT).as_posix() for path in modules if any("./dev" in text for text in texts(path))]
    assert naming == ["store/text/hints.py"]
    assert "./dev" not in (ROOT / "store" / "cli" / "commands.json").read_text()
