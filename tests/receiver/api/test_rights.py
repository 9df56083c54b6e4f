"""What `standing doctor` says of secrets that are weak and of rights that one person can join."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from store.inbox.internal_events import DecisionBody
from tests.conftest import KEY
from tests.support.service import PROGRAMS


def examined(folder: Path, **settings: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.endswith(("_SECRETS", "_TOKENS", "_FILE"))}
    own = {"VAR_DIR": str(folder), "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}
    ended = subprocess.run(
        [PROGRAMS / "standing", "doctor"], env=clean | own | settings, capture_output=True, text=True, timeout=240, check=False
    )
    return " ".join((ended.stdout + ended.stderr).split())


@pytest.mark.parametrize(("secret", "weak"), [("fifteen-letters", True), ("sixteen-letters!", False)])
def test_a_weak_secret_of_a_vendor_is_told_and_not_shown(tmp_path: Path, secret: str, weak: bool) -> None:
    said = examined(tmp_path, IDNGO_SECRETS=secret)
    assert ("1 of its secrets have fewer than 16 bytes" in said, secret in said) == (weak, False)


def test_rights_that_one_person_can_join_are_told(tmp_path: Path) -> None:
    said = examined(tmp_path, LINK_TOKENS="Day=link-me-if-you-may", OPERATOR_TOKENS="day=operate-me-if-you-may")
    assert "day is in LINK_TOKENS, OPERATOR_TOKENS: one person holds these rights together" in said
    assert "OPERATOR_TOKENS has one name: nothing that takes two persons can be confirmed" in said
    two = examined(tmp_path, LINK_TOKENS="dusk=link-me-if-you-may", OPERATOR_TOKENS="day=operate-me-if-you-may,night=confirm-me-if-you-may")
    assert ("one person holds" in two, "has one name" in two) == (False, False)


def test_a_decision_of_an_older_version_proves_no_person() -> None:
    kept = b'{"reference":"r","ruling":"approve","by":"night","reason":"x","at":"2026-01-01T00:00:00Z","against":["pep"]}'
    assert not msgspec.json.decode(kept, type=DecisionBody).by_token
