"""Verify an evidence pack offline, in the folder where it was unpacked. Needs Python 3.11 and `cryptography` alone.

    python check.py [VKEY ...]

Runs verify.py over every proof, then compares every entry of the lists, and every body, with the proof that it names. The exit status is 0
only if all of it holds. Without keys it takes those of keys.txt: compare these with keys that you were given another way."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: The lists, each with the kinds of what is in it. A pack is made in this order.
LISTS = {
    "events.json": {"event"},
    "history.json": {"change"},
    "acts.json": {"act"},
    "holds.json": {"hold", "hold-lifted"},
    "erasures.json": {"erasure", "erasure-decided", "erasure-done", "emptied"},
}

#: Proofs that verify.py is given at a time: systems bound the length of a command.
AT_ONCE = 150


def main(keys: list[str], root: Path) -> int:
    """Verify all; print what fails; return the exit status."""
    found = sorted(root.glob("*/proofs/*"))
    faults = list(unverified(root, keys or (root / "keys.txt").read_text(encoding="utf-8").split(), found))
    # What a proof holds is compared once it is known to be what was logged.
    folders = [] if faults else [path for path in sorted(root.iterdir()) if path.is_dir()]
    faults += [fault for folder in folders for fault in differences(folder, (root / "checkpoint").read_text(encoding="utf-8"))]
    print("\n".join([f"FAILED  {fault}" for fault in faults]) or f"ok      {len(found)} proofs, lists and bodies: all of it holds")
    return 1 if faults else 0


def unverified(root: Path, keys: list[str], files: list[Path]) -> Iterator[str]:
    """Yield what verify.py says of files that do not hold."""
    for start in range(0, max(len(files), 1), AT_ONCE):
        names = [str(file.relative_to(root)) for file in files[start : start + AT_ONCE]]
        command = [sys.executable, "-I", "verify.py", "--key", *keys, "checkpoint", *names]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stdout.splitlines() or [done.stderr.strip()]
            yield from (line.removeprefix("FAILED").strip() for line in lines if not line.startswith("ok "))


def differences(folder: Path, checkpoint: str) -> Iterator[str]:
    """Yield what differs between the proofs, the lists and the bodies of a folder."""
    contents, kinds, bodies = dict[str, Any](), dict[str, str](), set[str]()
    for file in sorted(folder.glob("proofs/*")):
        head, _, note = file.read_text(encoding="utf-8").partition("\n\n")
        opening = json.loads(base64.b64decode(head.splitlines()[1].removeprefix("extra ")))
        if note != checkpoint:
            yield f"{folder.name}/proofs/{file.name}: it is for another checkpoint"
        proof, kind = f"proofs/{file.name}", opening["leaf"]["kind"]
        if "content" in opening:
            contents[proof], kinds[proof] = json.loads(opening["content"]), kind
            row = contents[proof].get("number", contents[proof].get("id"))
            if kind != "emptied" and file.name != f"{kind}-{row}.tlog-proof":
                yield f"{folder.name}/{proof}: it is about another row, {kind} {row}"
        if "body" in opening:
            body = folder / "events" / f"{file.name.removesuffix('.tlog-proof')}.body"
            bodies.add(body.name)
            if not body.is_file() or body.read_bytes() != base64.b64decode(opening["body"]):
                yield f"{folder.name}/events/{body.name}: it is not the body that the proof opens"
    for list_of in [folder / name for name in LISTS if (folder / name).is_file()]:
        for entry in json.loads(list_of.read_text(encoding="utf-8")):
            proof = entry.pop("proof", None)
            if contents.pop(proof, None) != entry or kinds[proof] not in LISTS[list_of.name]:
                yield f"{folder.name}/{list_of.name}: an entry is not what {proof} holds"
    yield from (f"{folder.name}/{proof}: no list has an entry for it" for proof in contents)
    yield from (f"{folder.name}/events/{body.name}: no proof opens it" for body in folder.glob("events/*") if body.name not in bodies)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], Path(__file__).resolve().parent))
