"""Bodies at rest: a data key for each, wrapped by a master key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.inbox.sealing import encryption
from store.inbox.sealing.encryption import Keyring, Sealed, Unopenable, WrappedKey, key_id

OLD, NEW = b"o" * 32, b"n" * 32


def opened(ring: Keyring, sealed: Sealed, *, event_id: str = "e-1", key: WrappedKey | None = None) -> bytes:
    return ring.open(sealed.body, key_id="", event_id=event_id, wrapped=key or sealed.key)


def in_old_form(key: bytes, body: bytes, *, event_id: str) -> bytes:
    """A body as versions before revision 0017 sealed it."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, body, f"{key_id(key)}|{event_id}".encode())


def test_what_was_sealed_comes_back_byte_for_byte() -> None:
    ring = Keyring((NEW,))
    sealed = ring.seal(b"\x00 passport \xff", event_id="e-1")
    assert b"passport" not in sealed.body
    assert opened(ring, sealed) == b"\x00 passport \xff"


def test_each_body_has_a_key_of_its_own() -> None:
    ring = Keyring((NEW,))
    one, other = (ring.seal(b"body", event_id="e-1") for _ in range(2))
    with pytest.raises(Unopenable):
        opened(ring, one, key=other.key)


def test_a_body_cannot_be_moved_to_another_event_with_its_key_or_without() -> None:
    ring = Keyring((NEW,))
    one, other = ring.seal(b"one", event_id="e-1"), ring.seal(b"other", event_id="e-2")
    with pytest.raises(Unopenable):
        opened(ring, one, event_id="e-2")
    with pytest.raises(Unopenable):
        opened(ring, one, event_id="e-2", key=other.key)
    with pytest.raises(Unopenable):
        opened(ring, one, event_id="e-1", key=other.key)


def test_a_wrapped_key_cannot_pose_as_a_body_of_the_old_form() -> None:
    ring = Keyring((NEW,))
    sealed = ring.seal(b"body", event_id="e-1")
    with pytest.raises(Unopenable):
        ring.open(sealed.key.wrapped, key_id=sealed.key.key_id, event_id="e-1", wrapped=None)


def test_a_changed_byte_of_the_body_or_of_its_key_is_noticed() -> None:
    ring = Keyring((NEW,))
    sealed = ring.seal(b"body", event_id="e-1")
    for place in range(len(sealed.body)):
        with pytest.raises(Unopenable):
            opened(ring, sealed._replace(body=flipped(sealed.body, place)))
    for place in range(len(sealed.key.wrapped)):
        with pytest.raises(Unopenable):
            opened(ring, sealed, key=WrappedKey(sealed.key.key_id, flipped(sealed.key.wrapped, place)))


def flipped(given: bytes, place: int) -> bytes:
    changed = bytearray(given)
    changed[place] ^= 1
    return bytes(changed)


def test_the_newest_key_wraps_and_an_older_one_still_opens() -> None:
    sealed = Keyring((OLD,)).seal(b"body", event_id="e-1")
    rotated = Keyring((NEW, OLD))
    assert opened(rotated, sealed) == b"body"
    assert rotated.seal(b"body", event_id="e-1").key.key_id == key_id(NEW)


def test_a_key_that_is_wrapped_again_opens_the_same_body_without_the_old_master_key() -> None:
    sealed = Keyring((OLD,)).seal(b"body", event_id="e-1")
    again = Keyring((NEW, OLD)).rewrap(sealed.key, event_id="e-1")
    assert opened(Keyring((NEW,)), sealed, key=again) == b"body"


def test_a_body_of_the_old_form_can_be_opened_and_not_moved() -> None:
    sealed = in_old_form(OLD, b"body", event_id="e-1")
    ring = Keyring((NEW, OLD))
    assert ring.open(sealed, key_id=key_id(OLD), event_id="e-1", wrapped=None) == b"body"
    with pytest.raises(Unopenable):
        ring.open(sealed, key_id=key_id(OLD), event_id="e-2", wrapped=None)


def test_a_body_whose_master_key_is_gone_names_it() -> None:
    sealed = Keyring((OLD,)).seal(b"body", event_id="e-1")
    with pytest.raises(Unopenable, match=key_id(OLD)):
        opened(Keyring((NEW,)), sealed)


def test_a_body_whose_data_key_is_deleted_says_so() -> None:
    ring = Keyring((NEW,))
    with pytest.raises(Unopenable, match="deleted"):
        ring.open(ring.seal(b"body", event_id="e-1").body, key_id="", event_id="e-1", wrapped=None)


def test_a_process_learns_of_a_key_that_another_wraps_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "LOOK_SECONDS", -1.0)
    configured = [OLD]
    ring = Keyring((OLD,), reread=lambda: tuple(configured))
    configured.insert(0, NEW)
    assert opened(ring, Keyring((NEW,)).seal(b"body", event_id="e-1")) == b"body"


def test_a_process_wraps_with_the_newest_key_of_a_file_that_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "LOOK_SECONDS", -1.0)
    file, configured = tmp_path / "keys", [OLD]
    file.write_text("one")
    ring = Keyring((OLD,), reread=lambda: tuple(configured), watched=file)
    configured.insert(0, NEW)
    assert ring.seal(b"body", event_id="e-1").key.key_id == key_id(OLD)
    file.write_text("one and another")
    assert ring.seal(b"body", event_id="e-1").key.key_id == key_id(NEW)


def test_a_file_of_keys_that_is_broken_takes_no_key_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "LOOK_SECONDS", -1.0)
    ring = Keyring((OLD,), reread=lambda: ())
    ring.read_again()
    assert ring.newest == key_id(OLD)
