"""The files of the log: public keys, signed checkpoints, proofs and consistency files, in the forms that `verify.py` reads.

The forms are C2SP's (c2sp.org): signed-note, tlog-checkpoint, tlog-proof, and the body of tlog-witness' add-checkpoint."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store.proof.verify import CONSISTENCY, CONTROL, PROOF, key_id

ED25519 = 0x01


class PrivateKey(Protocol):
    """A key that signs. Its public half verifies in `verify.SIGNATURE_TYPES`."""

    def sign(self, data: bytes, /) -> bytes: ...


def _ed25519(seed: bytes) -> tuple[PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


#: By the type of a signature: the private key of a seed, and the bytes of its public key.
SIGNERS: dict[int, Callable[[bytes], tuple[PrivateKey, bytes]]] = {ED25519: _ed25519}


def sign(origin: str, size: int, root: bytes, seed: bytes, *, kind: int = ED25519) -> str:
    """Return the checkpoint of a log, signed by the key that has the log's name. Raises ValueError if a key cannot have that name."""
    return signed(f"{origin}\n{size}\n{_encoded(root)}\n", name=origin, seed=seed, kind=kind)


def signed(text: str, *, name: str, seed: bytes, kind: int = ED25519) -> str:
    """Return a signed note. The text ends with a newline."""
    private, public = SIGNERS[kind](seed)
    signer = bytes.fromhex(vkey(name, public, kind=kind).split("+")[1])
    return f"{text}\n— {name} {_encoded(signer + private.sign(text.encode()))}\n"


def vkey(name: str, public: bytes, *, kind: int = ED25519) -> str:
    """Return a public key in the form that verifiers take. Raises ValueError if a key cannot have that name."""
    if not re.fullmatch(r"[^\s+]+", name) or CONTROL.search(name):
        raise ValueError(f"invalid name of a key: {name!r}. It has no space, plus or control character")
    data = bytes([kind]) + public
    return f"{name}+{key_id(name, data).hex()}+{_encoded(data)}"


def public_key(seed: bytes, *, kind: int = ED25519) -> bytes:
    """Return the public key of a seed."""
    return SIGNERS[kind](seed)[1]


def proof_file(index: int, path: Sequence[bytes], checkpoint: str, extra: bytes | None) -> str:
    """Return the proof that a leaf is in the tree of a checkpoint. `extra`: the opening, which says what the leaf commits to."""
    opening = "" if extra is None else f"extra {_encoded(extra)}\n"
    return f"{PROOF}{opening}index {index}\n{_lines(path)}\n{checkpoint}"


def consistency_file(old: int, path: Sequence[bytes], checkpoint: str) -> str:
    """Return the proof that the tree of a checkpoint begins with a log's first `old` leaves."""
    return f"{CONSISTENCY}{old}\n{_lines(path)}\n{checkpoint}"


def _lines(path: Sequence[bytes]) -> str:
    return "".join(f"{_encoded(each)}\n" for each in path)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
