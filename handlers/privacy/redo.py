"""Do again what the ledger holds and the database, which was restored, lacks. Until it is done nothing is read or handled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from handlers.privacy import erase
from store import database
from store.database import bulk
from store.privacy.restoring import gate, ledger_redo
from store.privacy.restoring.ledger import Line
from store.privacy.restoring.ledger_redo import Named

log = structlog.get_logger()


def redo_all() -> int:
    """Carry out the erasures that the database lacks, in the ledger's order; return how many. Raises ledger.Unusable.

    An erasure that is under way is among them: it is carried out first."""
    found = database.read(gate.look)
    if found.fault or not found.lacking:
        return 0
    lines = database.read(gate.lacking)
    named = database.read(lambda connection: ledger_redo.find(connection, lines))
    done = sum(_redo(some, named) for some in bulk.parts(lines, erase.AT_ONCE))
    database.write(gate.catch_up)
    log.warning("erasures were done again, because the database lacked them", count=done)
    return done


def _redo(lines: Sequence[Line], named: Mapping[str, Named]) -> int:
    """Carry out the erasures of some lines; return how many are done."""
    for line in lines:
        database.write(partial(ledger_redo.file, line=line, named=named[line.erasure_id]))
    done, _ = erase.attempt([line.erasure_id for line in lines])
    return done
