"""README.txt of an evidence pack: what the pack is, how it is verified, what it proves and what not, and what is left out of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from store.privacy.evidence.concerned import Folder
from store.system import clock
from store.text.counts import counted


class LeftOut(Struct, frozen=True, kw_only=True):
    """A row that is not in the pack, and why."""

    folder: str
    name: str
    why: str


_TEXT = """\
EVIDENCE PACK
made at {at}
for the checkpoint of {leaves} of the log {origin}

HOW TO VERIFY IT

You need Python 3.11 or later, and its package `cryptography`:
pip install cryptography
Unpack the zip, open a terminal in its folder, and type the next line. On some
systems the program is called python3.

    python check.py

It verifies every proof with the keys in keys.txt, then compares every list
and every body with the proofs. It says "all of it holds" only if it does.
No network is used. To verify one file, with a key that you have:

    python verify.py --key KEY checkpoint {example}

Keys that come with the files prove little. Compare keys.txt with the keys
that you were given another way, or type these: python check.py KEY KEY...
If you hold an older checkpoint of this log, ask the operator for a consistency
file (standing log consistency), and verify it with both checkpoints.

WHAT IS IN IT

{folders}

In each folder, as far as there is any:
  proofs/             a proof for each row: it was logged with exactly the
                      content that the proof holds
  events.json         what was received. Each entry repeats the content of the
                      proof that it names, word by word; so do the next four
  history.json        the changes, each with the applicant as it then was
  acts.json           who did what about the applicant and its events
  holds.json          what forbade an erasure, and when that was lifted
  erasures.json       what was asked, decided and erased
  explanation.json    of an applicant that is known: why it has its status,
                      computed from the above by the service, not logged
{bodies}
Times are UTC. Bodies are the vendors' words, and may name other persons.

WHAT IT PROVES, AND WHAT NOT

Proved: each row was in the log, at its place, with this content, when the
checkpoint was signed. A row with a time in "erased_at" is what an erasure left
of it. With an older checkpoint that you hold: nothing before it was altered.
Not proved: that a vendor really sent it, that everything was kept, that nothing
is missing in this pack, that the clock was right, and what was before the first
checkpoint that somebody else holds.

LEFT OUT

{left_out}
"""

_BODIES = """\
  events/             the bodies, byte by byte as they were received (or as an
                      erasure left them); the proof of the event opens each
"""


def text(folders: Sequence[Folder], checkpoint: Row[Any], left_out: Sequence[LeftOut], *, at: datetime, has_bodies: bool) -> str:
    """Return the text."""
    missing = {(one.folder, one.name) for one in left_out}
    proved = ((folder.name, part.name) for folder in folders for part in folder.parts if (folder.name, part.name) not in missing)
    return _TEXT.format(
        at=clock.rfc3339(at),
        leaves=counted(checkpoint.size, "leaf", "leaves"),
        origin=checkpoint.origin,
        example=next((f"{folder}/proofs/{part}.tlog-proof" for folder, part in proved), "FILE"),
        folders="\n".join(_filled(f"{folder.name}/  {folder.about}") for folder in folders),
        bodies=_BODIES if has_bodies else "The bodies of events are not in it: the proofs hold keyed digests of them.\n",
        left_out="\n".join(f"{one.folder}: {one.name}: {one.why}" for one in left_out) or "Nothing.",
    )


def _filled(line: str) -> str:
    return textwrap.fill(line, 78, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
