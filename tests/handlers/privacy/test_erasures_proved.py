"""Whoever is erased, at any moment, of whatever was logged: the log stays right, and each older proof holds or is answered by the leaf that
says what was emptied."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from sqlalchemy import select

from handlers.replay import rebuild, refold
from store import database
from store.database.log_tables import Leaf
from store.proof import checkpoints, tree
from store.proof.shown import proofs, rows
from store.proof.shown.rows import About
from store.proof.verification import run
from tests.handlers.privacy.test_any_erasure import World, fresh
from tests.support.generated import erasures as generated
from tests.support.generated import samples
from tests.support.generated.erasures import Step
from tests.support.privacy.erasing import handle_all
from tests.support.proof import auditor
from tests.support.proof.auditor import opening
from tests.support.proof.log import log_and_sign, signing

__all__ = ["fresh", "signing"]


class LoggedWorld(World):
    """A database whose log an auditor follows: before each erasure the auditor has every leaf proved."""

    def __init__(self) -> None:
        super().__init__(erases=True)
        #: Proofs by the numbers of their leaves: of each the newest in which the leaf was not emptied.
        self.proofs: dict[int, str] = {}
        self.checkpoints: list[str] = []

    def tell(self, story: list[Step]) -> None:
        for number, step in enumerate(story):
            if isinstance(step, generated.Act) and step.what.startswith("erase"):
                log_and_sign()
                self.audit()
            self.do(number, step)
        handle_all()
        log_and_sign()

    def audit(self) -> None:
        numbers = database.read(lambda connection: connection.execute(select(Leaf.number).where(Leaf.emptied_by.is_(None))).scalars().all())
        self.proofs |= {number: proof(number) for number in numbers}
        self.checkpoints.append(str(database.read(proofs.newest).note))


def proof(number: int) -> str:
    """The proof of a leaf as it is now."""

    def prove(connection: Any) -> str:
        sought = rows.find(connection, About.LEAF, str(number))
        assert sought is not None
        return proofs.prove(connection, sought).text

    return database.read(prove)


def sizes(notes: list[str]) -> list[int]:
    return [int(note.split("\n")[1]) for note in notes]


@pytest.mark.usefixtures("signing")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@samples.properties(examples=80)
@given(story=generated.stories())
def test_each_older_proof_holds_or_the_leaf_that_emptied_its_leaf_is_proved(
    fresh: Callable[[], None], tmp_path: Path, story: list[Step]
) -> None:
    fresh()
    (tmp_path / "var").mkdir(exist_ok=True)
    world = LoggedWorld()
    world.tell(story)
    assert run.verify_all(patience=timedelta()).faults == []
    assert list(refold.faults(rebuild.find_renamed(lambda _: None))) == []
    now = {number: proof(number) for number in range(database.read(tree.size))}
    files = {f"then-{number}": text for number, text in world.proofs.items()} | {f"now-{number}": text for number, text in now.items()}
    files |= {f"checkpoint-{place}": note for place, note in enumerate(world.checkpoints)}
    for size in set(sizes(world.checkpoints)):
        files[f"consistency-{size}"] = database.read(lambda connection, size=size: proofs.consistency(connection, size))  # type: ignore[misc]
    assert auditor.holds(tmp_path, database.read(checkpoints.vkeys), files)
    for number, then in world.proofs.items():
        before, after = opening(then), opening(now[number])
        assert after.get("content", before["content"]) == before["content"]
        assert "content" in after or after["emptied_by"] > number
