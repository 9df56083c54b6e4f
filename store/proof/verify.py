"""Verify files of a Standing log offline: proofs, consistency files, exports and checkpoints. Needs Python 3.11 and `cryptography` alone.

    python verify.py --key VKEY [VKEY ...] FILE [FILE ...]

Prints one line for each file; the exit status is 0 only if every file holds. Checkpoints of one log are compared across its epochs.
Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-proof, tlog-witness (add-checkpoint). Hashes: RFC 6962, section 2.1."""

import base64
import hashlib
import hmac
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: By the type of a signature, the first byte of a vkey's key: how the public key is read. It then verifies, or raises InvalidSignature.
SIGNATURE_TYPES: dict[int, Any] = {0x01: Ed25519PublicKey.from_public_bytes}

PROOF, EXPORT, CONSISTENCY, CHECKPOINT = "c2sp.org/tlog-proof@v1\n", "standing-log@v1\n", "old ", ""  # what a file begins with
#: What a proof tells of its leaf: what the leaf commits to, with the body for those who may see it, or by which leaf it was emptied.
OPENINGS = ({"leaf", "salt", "content"}, {"leaf", "salt", "content", "body", "body_salt"}, {"leaf", "emptied_by", "emptied_proof"})
LEAF = re.compile(r"1 ([a-z-]{1,32}) ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z) [A-Za-z0-9+/]{43}=")
VKEY, CONTROL = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)"), re.compile(r"[\x00-\x09\x0b-\x1f]")
EMPTY_ROOT, TEXT_MAX = hashlib.sha256(b"").digest(), 64 * 2**20
json_of_unique_names = json.JSONDecoder(object_pairs_hook=lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else None).decode


class File(NamedTuple):
    """A file whose checkpoint a given key signed. `head`: its lines above it. `log`: the origin without the epoch. `size`: in leaves."""

    name: str
    form: str
    head: list[str]
    log: str
    origin: str
    size: int
    root: bytes


def main(arguments: list[str]) -> int:
    """Verify files; print a line for each; return the exit status."""
    keys, names = dict[str, Any](), [word for word in arguments if word != "--key"]
    while names and VKEY.fullmatch(names[0]):  # keys come first: a file whose name looks like a vkey does not become one
        keys |= read_vkey(names.pop(0))
    if not keys or not names:
        raise SystemExit(__doc__)
    files, said, failed, tied = dict[str, File](), dict[str, str](), set[str](), set[tuple[str, int]]()
    for name in names:
        try:
            files[name] = open_file(name, Path(name).read_bytes().decode(), keys)
        except (ValueError, OSError) as error:
            said[name], failed = str(error), failed | {name}
    for name, file in files.items():
        try:
            said[name] = verify(file, [*files.values()], keys, tied)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            said[name], failed = str(error), failed | {name}
    for name, file in files.items():
        trees = [one for one in files.values() if one.log == file.log and one.form != PROOF]
        newest = max(trees, key=lambda one: (int(re.sub(r".*?([0-9]{0,9})$", r"0\1", one.origin)), one.size), default=file)  # epoch, size
        if name not in failed and file.size != newest.size and (file.log, file.size) not in tied:
            ask = "leaves were lost: it has fewer" if file.size > newest.size else "add a newer export, or a consistency file between"
            said[name] += f"; not compared with {newest.name}: {ask}"
            failed |= {name} if file.form != PROOF else set()
    print(*(re.sub(r"[^ -~]", "?", f"{'FAILED' if name in failed else 'ok':8}{name}: {said[name]}") for name in names), sep="\n")
    return 1 if failed else 0


def verify(file: File, files: list[File], keys: dict[str, Any], tied: set[tuple[str, int]]) -> str:
    """Verify a file; return what holds. Add to `tied` the trees that it begins with, by log and size. Raises ValueError."""
    known = [other for other in files if other.log == file.log and other.size <= file.size]
    for other in known:
        if other.size == file.size and other.root != file.root:
            raise ValueError(f"{other.name} is of the same log and size, but has another root: the log has two histories")
    if file.form == PROOF:
        return verify_proof(file, keys)[0]
    if file.form == EXPORT:
        last = verify_export(file, known)
        tied |= {(file.log, other.size) for other in known if other.size < file.size}
        return f"export of all {file.size} leaves of {file.origin}, the last of {last}; compared with {len(known) - 1} other files"
    if file.form == CONSISTENCY:
        old, path = read_number(file.head[0], CONSISTENCY), [read_base64(line, 32) for line in file.head[1:]]
        older = [other for other in known if other.size == old and other.name != file.name]
        if (path and not old) or (old and not older):
            raise ValueError(f"the older checkpoint is missing: add one of {old} leaves of {file.log}")
        for other in older:
            if old and consistency_roots(old, file.size, path, other.root) != (other.root, file.root):
                raise ValueError(f"its {file.size} leaves are not shown to begin with the {old} leaves of {other.name}")
        tied |= {(file.log, old)} if old < file.size else set()
        return f"the {file.size} leaves of {file.origin} begin with the {old} leaves of {older[0].name if older else 'no file'}"
    return f"checkpoint of {file.size} leaves of {file.origin}"


def verify_proof(file: File, keys: dict[str, Any], *, is_nested: bool = False) -> tuple[str, int, str, str]:
    """Verify that a leaf is in the tree, and what it commits to. Return what holds, and the leaf's index, kind and content."""
    if len(file.head) < 3 or not file.head[1].startswith("extra "):
        raise ValueError("no extra line, which says what the leaf commits to")
    opening = json_of_unique_names(read_base64(file.head[1].removeprefix("extra ")).decode())
    index, path = read_number(file.head[2], "index "), [read_base64(line, 32) for line in file.head[3:]]
    leaf, is_emptied, is_body = opening["leaf"] if opening.keys() in OPENINGS else {}, "emptied_by" in opening, "body" in opening
    if leaf.keys() != {"version", "kind", "at"} | ({"commitment"} if is_emptied else set()) or leaf["version"] != 1:
        raise ValueError("the extra line does not say what the leaf commits to")
    content, salt = ("", b"") if is_emptied else (opening["content"], read_base64(opening["salt"], 32))
    commitment = read_base64(leaf["commitment"], 32) if is_emptied else hmac.digest(salt, content.encode(), "sha256")
    line = leaf_line(leaf["kind"], leaf["at"], commitment)
    if not LEAF.fullmatch(line.decode()[:-1]) or inclusion_root(leaf_hash(line), index, file.size, path) != file.root:
        raise ValueError(f"leaf {index} of {file.origin} is another one, or commits to something else")
    holds = f"{leaf['kind']} of {leaf['at']} is leaf {index} of {file.size} of {file.origin}"
    digest = hmac.digest(read_base64(opening["body_salt"], 32), read_base64(opening["body"]), "sha256") if is_body else b""
    if is_body and read_base64(json_of_unique_names(content).get("body", "")) != digest:
        raise ValueError("the leaf does not commit to this body")
    if not is_emptied:
        return f"{holds}; content{' and body' if is_body else ''} verified", index, leaf["kind"], content
    nested = open_file(file.name, opening["emptied_proof"], keys)
    if is_nested or nested.form != PROOF or nested[3:] != file[3:]:
        raise ValueError("the leaf that empties this one is emptied, or is not proved for the same checkpoint")
    _, by, kind, content = verify_proof(nested, keys, is_nested=True)
    if kind != "emptied" or by != opening["emptied_by"] or index >= by or index not in json_of_unique_names(content).get("numbers", []):
        raise ValueError(f"leaf {by} does not say that it empties leaf {index}")
    return f"{holds}; emptied by leaf {by}", index, leaf["kind"], ""


def verify_export(file: File, known: list[File]) -> str:
    """Verify that an export is the tree of its checkpoint, and begins with that of each older one; return the time of its last leaf."""
    last, stack, sizes, roots = "", list[tuple[int, bytes]](), {other.size for other in known}, {0: EMPTY_ROOT}
    for number, line in enumerate(file.head[1:]):
        found = LEAF.fullmatch(line)
        if not found or found[2] < last:
            raise ValueError(f"leaf {number} is {'earlier than the leaf before' if found else 'malformed'}")
        last, size, node = found[2], 1, leaf_hash(line.encode() + b"\n")
        while stack and stack[-1][0] == size:  # a full subtree of the same size is its left sibling
            size, node = 2 * size, node_hash(stack.pop()[1], node)
        stack.append((size, node))
        if number + 1 in sizes:
            for _, left in reversed(stack[:-1]):
                node = node_hash(left, node)
            roots[number + 1] = node
    for other in known:
        if roots.get(other.size) != other.root or len(file.head) - 1 != file.size:
            raise ValueError(f"its {len(file.head) - 1} leaves are not, or do not begin with, the {other.size} leaves of {other.name}")
    return last or "no time"


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def leaf_line(kind: str, at: str, commitment: bytes) -> bytes:
    """Return what is hashed of a leaf: version, kind, time of appending, and commitment, in one line."""
    return f"1 {kind} {at} {base64.b64encode(commitment).decode()}\n".encode()


def inclusion_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that a leaf's path leads to (RFC 6962, section 2.1.1). The path's last hash is the other child of the root."""
    if not 0 <= index < size or (size == 1) != (not path):
        raise ValueError("the path does not fit the leaf's index and the size of the tree")
    if size == 1:
        return leaf
    left = 1 << (size - 1).bit_length() - 1  # leaves of the left child: the largest power of two below the size
    if index < left:
        return node_hash(inclusion_root(leaf, index, left, path[:-1]), path[-1])
    return node_hash(path[-1], inclusion_root(leaf, index - left, size - left, path[:-1]))


def consistency_roots(old: int, size: int, path: list[bytes], old_root: bytes | None) -> tuple[bytes, bytes]:
    """Return the roots of the old and the whole tree that a path leads to (RFC 6962, section 2.1.2). `old_root`: None in a right child."""
    if not 0 < old <= size or (old < size and not path) or (old == size and len(path) != (old_root is None)):
        raise ValueError("the path does not fit the two sizes")
    if old == size:
        return (old_root or path[0],) * 2
    left = 1 << (size - 1).bit_length() - 1
    if old <= left:
        first, second = consistency_roots(old, left, path[:-1], old_root)
        return first, node_hash(second, path[-1])
    first, second = consistency_roots(old - left, size - left, path[:-1], None)
    return node_hash(path[-1], first), node_hash(path[-1], second)


def open_file(name: str, text: str, keys: dict[str, Any]) -> File:
    """Read a file's form, head and signed checkpoint."""
    form = next(form for form in (PROOF, EXPORT, CONSISTENCY, CHECKPOINT) if text.startswith(form))
    head, _, note = text.partition("\n\n") if form else ("", "", text)
    signed, signers = open_note(note, keys)
    origin, size, root, *_ = *signed.split("\n"), "", ""
    if origin not in signers or not all(signed.split("\n")):
        raise ValueError(f"not signed by a given key of {origin}")
    file = File(name, form, head.split("\n"), re.sub("/[0-9]+$", "", origin), origin, read_number(size), read_base64(root, 32))
    if CONTROL.search(head) or (len(text) > TEXT_MAX and form != EXPORT) or (not file.size and file.root != EMPTY_ROOT):
        raise ValueError("control characters, too long, or not the root of an empty log")
    return file


def open_note(note: str, keys: dict[str, Any]) -> tuple[str, set[str]]:
    """Return the text of a signed note, and the names of the given keys that signed it. Signatures of other keys are ignored."""
    text, _, signatures = note.rpartition("\n\n")
    if CONTROL.search(note) or not re.fullmatch(r"(— [^\s+]+ [A-Za-z0-9+/=]+\n){1,100}", signatures):
        raise ValueError("no signed checkpoint")
    signers = set()
    for line in signatures.splitlines():
        _, name, encoded = line.split(" ")
        signature = read_base64(encoded)
        try:
            if key := keys.get(f"{name}+{signature[:4].hex()}"):
                key.verify(signature[4:], f"{text}\n".encode())
                signers.add(name)
        except InvalidSignature:
            raise ValueError(f"the signature of {name} does not verify") from None
    return text, signers


def read_vkey(vkey: str) -> dict[str, Any]:
    """Read a public key. A vkey is its name, its id, and the base64 of its type and key."""
    name, key, encoded = vkey.split("+", 2)
    data = read_base64(encoded)
    if key_id(name, data).hex() != key or data[0] not in SIGNATURE_TYPES:
        raise SystemExit(f"not a key of a known type: {vkey}")
    return {f"{name}+{key}": SIGNATURE_TYPES[data[0]](data[1:])}


def key_id(name: str, data: bytes) -> bytes:
    """Return the id of a key: of its name, and of its type and public key."""
    return hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]


def read_number(text: str, prefix: str = "") -> int:
    if not re.fullmatch(prefix + "(0|[1-9][0-9]{0,17})", text):
        raise ValueError(f"{prefix or 'size'} is followed by no number")
    return int(text.removeprefix(prefix))


def read_base64(text: str, size: int | None = None) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text or size not in (None, len(value)):
        raise ValueError("base64 is malformed or of another length")
    return value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
