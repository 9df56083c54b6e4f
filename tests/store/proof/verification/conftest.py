"""A log that is signed, and verified page by page."""

from __future__ import annotations

import pytest

from store.proof.verification import pages


@pytest.fixture
def signing(signing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # So that every history takes several pages, of which most pass no checkpoint.
    monkeypatch.setattr(pages, "PAGE", 3)
