"""A log in memory, and the files that show what is in it: made of the same tree and forms as the service's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from store.proof import merkle, notes
from store.proof.verify import EXPORT, leaf_hash, leaf_line
from tests.support.proof.log import SEED
from tests.support.service import LOG_ORIGIN

ORIGIN = f"{LOG_ORIGIN}/1"
BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Log:
    """Leaves of contents, each under a salt of its own. Contents may be emptied."""

    def __init__(self, origin: str = ORIGIN, seed: bytes = SEED) -> None:
        self.origin, self.seed = origin, seed
        self.kinds: list[str] = []
        self.contents: list[str] = []
        self.bodies: dict[int, bytes] = {}
        self.emptied: dict[int, int] = {}

    @property
    def vkey(self) -> str:
        return notes.vkey(self.origin, notes.public_key(self.seed))

    @property
    def size(self) -> int:
        return len(self.contents)

    def add(self, kind: str, content: dict[str, Any], body: bytes | None = None) -> int:
        """Append a leaf; return its number."""
        number = self.size
        if body is not None:
            self.bodies[number] = body
            content = content | {"body": encoded(hmac.digest(self.body_salt(number), body, "sha256"))}
        self.kinds.append(kind)
        self.contents.append(json.dumps(content, separators=(",", ":"), ensure_ascii=False))
        return number

    def fill(self, size: int) -> Log:
        """Append changes until there are so many leaves."""
        while self.size < size:
            self.add("change", {"number": self.size, "to_status": "approved", "reasons": ["Жук", "虫"]})
        return self

    def empty(self, *numbers: int) -> int:
        """Empty leaves; return the number of the leaf that says so."""
        by = self.add("emptied", {"erasure_id": "e-1", "numbers": list(numbers)})
        self.emptied |= dict.fromkeys(numbers, by)
        return by

    def salt(self, number: int) -> bytes:
        return hashlib.sha256(b"salt of %d" % number).digest()

    def body_salt(self, number: int) -> bytes:
        return hashlib.sha256(b"salt of the body of %d" % number).digest()

    def at(self, number: int) -> str:
        return (BEGAN + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def commitment(self, number: int) -> bytes:
        return hmac.digest(self.salt(number), self.contents[number].encode(), "sha256")

    def line(self, number: int) -> bytes:
        return leaf_line(self.kinds[number], self.at(number), self.commitment(number))

    def tree(self) -> merkle.Tree:
        tree = merkle.Tree(0, lambda level, place: b"")
        tree.append([leaf_hash(self.line(number)) for number in range(self.size)])
        return tree

    def checkpoint(self, size: int | None = None) -> str:
        size = self.size if size is None else size
        return notes.sign(self.origin, size, self.tree().root(size), self.seed)

    def opening(self, number: int, size: int | None = None, *, with_body: bool = False) -> dict[str, Any]:
        leaf = {"version": 1, "kind": self.kinds[number], "at": self.at(number)}
        if number in self.emptied:
            by = self.emptied[number]
            leaf["commitment"] = encoded(self.commitment(number))
            return {"leaf": leaf, "emptied_by": by, "emptied_proof": self.proof(by, size)}
        shown = {"leaf": leaf, "salt": encoded(self.salt(number)), "content": self.contents[number]}
        if with_body:
            shown |= {"body": encoded(self.bodies[number]), "body_salt": encoded(self.body_salt(number))}
        return shown

    def proof(self, number: int, size: int | None = None, *, with_body: bool = False, **changed: Any) -> str:
        """Return the proof of a leaf. `changed`: what its opening says instead."""
        size = self.size if size is None else size
        opening = self.opening(number, size, with_body=with_body) | changed
        extra = json.dumps(opening, separators=(",", ":"), ensure_ascii=False).encode()
        return notes.proof_file(number, self.tree().inclusion(number, size), self.checkpoint(size), extra)

    def consistency(self, old: int, size: int | None = None) -> str:
        size = self.size if size is None else size
        return notes.consistency_file(old, self.tree().consistency(old, size), self.checkpoint(size))

    def export(self, size: int | None = None) -> str:
        size = self.size if size is None else size
        return EXPORT + "".join(self.line(number).decode() for number in range(size)) + "\n" + self.checkpoint(size)
