"""Do again what the ledger holds and the database, which was restored, lacks. Until it is done nothing is read or handled."""

from __future__ import annotations

from functools import partial

import structlog

from handlers.privacy import erase
from store import database
from store.privacy.restoring import gate, ledger_redo

log = structlog.get_logger()


def redo_all() -> int:
    """Carry out the erasures that the database lacks, in the ledger's order; return how many. Raises ledger.Unusable.

    An erasure that is under way is among them: it is carried out first."""
    found = database.read(gate.look)
    if found.fault or not found.lacking:
        return 0
    lines = database.read(gate.lacking)
    named = database.read(lambda connection: ledger_redo.find(connection, lines))
    for line in lines:
        database.write(partial(ledger_redo.file, line=line, named=named[line.erasure_id]))
        erase.carry_out(line.erasure_id)
    database.write(gate.catch_up)
    log.warning("erasures were done again, because the database lacked them", count=len(lines))
    return len(lines)
