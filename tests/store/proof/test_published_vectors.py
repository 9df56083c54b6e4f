"""Hashes, paths, notes and keys that others published, each with its source."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from store.proof import merkle, notes, verify

FOLDER = Path(__file__).parent

#: Each file names its source.
ARGON, TREE = (json.loads((FOLDER / f"{name}.json").read_text()) for name in ("argon2020", "reference_tree"))
LEAVES, ROOTS = [bytes.fromhex(leaf) for leaf in TREE["leaves"]], TREE["roots"]

#: Source: golang.org/x/mod, sumdb/note/note_test.go (BSD-3-Clause).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_SIGNED = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCH_SIGNED = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

#: The example of c2sp.org/signed-note.
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

#: A checkpoint of Go's checksum database, and the key that cmd/go has for it.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTE = base64.b64decode(
    "Z28uc3VtIGRhdGFiYXNlIHRyZWUKNjU2NjQyNTgKV1ZWTlZEMnF4K2ZUcTMxemtqNlVBcXhUNVg2SHZHcGhHTStvOFRobmJzZz0KCuKAlCBzdW0uZ29sYW5nLm9yZyBBejNncmxpZ0pt"
    "Z1g3S0d5R1BLeWJ5a05UaDNWZ3NiTHZVdXZPd3JNNXpMVmx1bG1GcDJ3ZHZieE93NzQvZ2NOeFVSU2hYRXBiN1JYY3MzK0JZZmxZTit3MGdRPQo="
).decode()


def keys(*vkeys: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for vkey in vkeys:
        found |= verify.read_vkey(vkey)
    return found


def path(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in hashes]


def tree() -> merkle.Tree:
    made = merkle.Tree(0, lambda level, place: b"")
    made.append([verify.leaf_hash(leaf) for leaf in LEAVES])
    return made


@pytest.mark.parametrize(
    ("found", "published"),
    [
        # transparency-dev/merkle, rfc6962/rfc6962_test.go
        (verify.EMPTY_ROOT, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (verify.leaf_hash(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (verify.leaf_hash(b"L123456"), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
        (verify.node_hash(b"N123", b"N456"), "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"),
    ],
)
def test_hashes_are_those_of_rfc_6962(found: bytes, published: str) -> None:
    assert found.hex() == published


def test_roots_are_those_of_the_reference_tree() -> None:
    assert [tree().root(size).hex() for size in range(1, 9)] == ROOTS
    assert tree().root(0) == verify.EMPTY_ROOT


@pytest.mark.parametrize("case", TREE["inclusions"])
def test_inclusion_paths_are_those_of_the_reference_tree(case: dict[str, Any]) -> None:
    leaf, size = case["leaf"], case["size"]
    assert tree().inclusion(leaf, size) == path(case["path"])
    assert verify.inclusion_root(verify.leaf_hash(LEAVES[leaf]), leaf, size, path(case["path"])).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("case", TREE["consistencies"])
def test_consistency_paths_are_those_of_the_reference_tree(case: dict[str, Any]) -> None:
    old, size = case["old"], case["size"]
    assert tree().consistency(old, size) == path(case["path"])
    roots = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1])
    assert verify.consistency_roots(old, size, path(case["path"]), roots[0]) == roots


def test_the_paths_of_a_log_of_certificates_hold() -> None:
    """Google's Argon 2020, of 961,984,013 leaves."""
    root, size = base64.b64decode(ARGON["sha256_root_hash"]), ARGON["tree_size"]
    leaf = verify.leaf_hash(base64.b64decode(ARGON["leaf_input"]))
    audit_path = [base64.b64decode(each) for each in ARGON["audit_path"]]
    assert verify.inclusion_root(leaf, ARGON["leaf_index"], size, audit_path) == root
    old_root = base64.b64decode(ARGON["first_root"])
    consistency = [base64.b64decode(each) for each in ARGON["consistency"]]
    assert verify.consistency_roots(ARGON["first"], size, consistency, old_root) == (old_root, root)


@pytest.mark.parametrize(
    ("note", "vkeys", "signers"),
    [
        (f"{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}", [PETER], {"PeterNeumann"}),
        (f"{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}", [PETER, ENOCH], {"PeterNeumann", "EnochRoot"}),
        (f"{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}", [EXAMPLE], set()),
        (f"{TEXT}\n{PETER_SIGNED * 16}", [PETER], {"PeterNeumann"}),
        (EXAMPLE_NOTE, [EXAMPLE], {"example.com/foo"}),
        (SUMDB_NOTE, [SUMDB], {"sum.golang.org"}),
    ],
)
def test_notes_are_signed_by_whom_they_say(note: str, vkeys: list[str], signers: set[str]) -> None:
    text, found = verify.open_note(note, keys(*vkeys))
    assert found == signers
    assert note.startswith(f"{text}\n\n")


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{PETER_SIGNED[:-1]}",
        f"\x01{TEXT}\n{PETER_SIGNED}",
        f"{TEXT}\n— Bad Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
        f"{TEXT}\n{PETER_SIGNED}Unexpected line.\n",
        f"{TEXT}\n{PETER_SIGNED * 101}",
        f"{TEXT}\n{PETER_SIGNED[:60]}ABCD{PETER_SIGNED[60:]}",
        f"{TEXT}\n{PETER_SIGNED.replace('wJnAM=', 'wJnAN=')}",
        f"{TEXT}.\n{PETER_SIGNED}",
    ],
)
def test_notes_that_others_refuse_are_refused(note: str) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|signature|base64"):
        verify.open_note(note, keys(PETER))


@pytest.mark.parametrize(
    "vkey",
    [
        *(PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))),
        *(PETER[:at] for at in range(len(PETER))),
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_key_that_was_altered_is_no_key(vkey: str) -> None:
    """The two last have the right id, and a key of another length or an unknown type. Source: note_test.go, TestNewVerifier."""
    with pytest.raises((ValueError, SystemExit)):
        verify.read_vkey(vkey)


def test_what_we_sign_is_what_others_sign() -> None:
    data = base64.b64decode(PETER_PRIVATE)
    assert data[0] == notes.ED25519
    assert notes.vkey("PeterNeumann", notes.public_key(data[1:])) == PETER
    assert notes.signed(TEXT, name="PeterNeumann", seed=data[1:]) == f"{TEXT}\n{PETER_SIGNED}"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x01b"])
def test_a_key_has_no_name_that_a_note_cannot_hold(name: str) -> None:
    with pytest.raises(ValueError, match="invalid name of a key"):
        notes.vkey(name, bytes(32))


def test_files_have_the_published_forms() -> None:
    """c2sp.org/tlog-checkpoint, tlog-proof and tlog-witness, their examples' shapes."""
    root = hashlib.sha256(b"root").digest()
    checkpoint = notes.sign("example.com/log", 20852163, root, bytes(32))
    assert checkpoint.split("\n")[:4] == ["example.com/log", "20852163", base64.b64encode(root).decode(), ""]
    assert notes.proof_file(73894, [root], checkpoint, b"opaque") == (
        f"c2sp.org/tlog-proof@v1\nextra b3BhcXVl\nindex 73894\n{base64.b64encode(root).decode()}\n\n{checkpoint}"
    )
    assert notes.proof_file(0, [], checkpoint, None) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{checkpoint}"
    assert notes.consistency_file(20852014, [root, root], checkpoint) == (
        "old 20852014\n" + 2 * (base64.b64encode(root).decode() + "\n") + f"\n{checkpoint}"
    )
