"""The auditor's page: it says what the verifier says, and shows each command of the log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from store.proof import verify
from store.proof.kinds import LeafKind

PAGE = (Path(__file__).parent.parent.parent / "docs" / "proof.md").read_text()
SOURCE = Path(verify.__file__).read_text()
STEPS = re.findall(r"^(\d+)\. .*?```shell\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)


def sentences() -> list[str]:
    table = PAGE.partition("## What the verifier says")[2].partition("## ")[0]
    return [row.split("`")[1] for row in table.splitlines() if row.startswith("| `")]


@pytest.mark.parametrize("sentence", sentences())
def test_the_verifier_says_each_sentence_of_the_page(sentence: str) -> None:
    pattern = ".*".join(re.escape(part) for part in re.split(r"\b(?:N|FILE|ORIGIN)\b", sentence.replace("content verified", "content")))
    assert re.search(pattern, SOURCE)


def test_ten_steps_show_each_command_of_an_auditor() -> None:
    assert [number for number, _ in STEPS] == [str(number) for number in range(1, 11)]
    typed = {" ".join(line.split()[:3]) for _, block in STEPS for line in block.splitlines()}
    words = ("verifier", "keys", "checkpoint", "consistency", "prove", "export", "verify")
    assert typed >= {f"standing log {word}" for word in words} | {"python3 verify.py --key"}


@pytest.mark.parametrize("kind", list(LeafKind))
def test_each_kind_of_leaf_is_named(kind: LeafKind) -> None:
    assert f"`{kind}`" in PAGE
