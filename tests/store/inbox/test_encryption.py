"""Bodies at rest."""

from __future__ import annotations

import pytest

from store.inbox.encryption import Keyring, Unopenable

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_sealed_comes_back_byte_for_byte() -> None:
    ring = Keyring((NEW,))
    key_id, sealed = ring.seal(b"\x00 passport \xff", event_id="e-1")
    assert b"passport" not in sealed
    assert ring.open(sealed, key_id=key_id, event_id="e-1") == b"\x00 passport \xff"


def test_a_body_cannot_be_moved_to_another_event() -> None:
    ring = Keyring((NEW,))
    key_id, sealed = ring.seal(b"body", event_id="e-1")
    with pytest.raises(Unopenable):
        ring.open(sealed, key_id=key_id, event_id="e-2")


def test_a_changed_byte_is_noticed() -> None:
    ring = Keyring((NEW,))
    key_id, sealed = ring.seal(b"body", event_id="e-1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Unopenable):
            ring.open(bytes(changed), key_id=key_id, event_id="e-1")


def test_the_newest_key_seals_and_an_older_one_still_opens() -> None:
    key_id, sealed = Keyring((OLD,)).seal(b"body", event_id="e-1")
    rotated = Keyring((NEW, OLD))
    assert rotated.open(sealed, key_id=key_id, event_id="e-1") == b"body"
    assert rotated.seal(b"body", event_id="e-1")[0] != key_id


def test_a_body_whose_key_is_gone_says_so() -> None:
    key_id, sealed = Keyring((OLD,)).seal(b"body", event_id="e-1")
    with pytest.raises(Unopenable, match=key_id):
        Keyring((NEW,)).open(sealed, key_id=key_id, event_id="e-1")
