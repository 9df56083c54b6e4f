"""Do again what the ledger holds and the database, which was restored, lacks. Until it is done nothing is read or handled."""

from __future__ import annotations

from functools import partial

import structlog

from handlers.privacy import erase
from handlers.privacy.pace import Stopped
from store import database
from store.privacy.restoring import gate, ledger_redo
from store.privacy.restoring.ledger import Line, Unusable
from store.privacy.restoring.ledger_redo import Named
from store.system.logs import describe_error

log = structlog.get_logger()


def redo_all() -> int:
    """Carry out the erasures that the database lacks, in the ledger's order; return how many. Raises ledger.Unusable.

    An erasure that is under way is among them: it is carried out first."""
    found = database.read(gate.look)
    if found.fault or not found.lacking:
        return 0
    lines = database.read(gate.lacking)
    named = database.read(lambda connection: ledger_redo.find(connection, lines))
    done = sum(_redo(line, named[line.erasure_id]) for line in lines)
    database.write(gate.catch_up)
    log.warning("erasures were done again, because the database lacked them", count=done)
    return done


def _redo(line: Line, named: Named) -> bool:
    """Carry out the erasure of one line; return False if it failed for a reason of its own, so that the others go on."""
    try:
        database.write(partial(ledger_redo.file, line=line, named=named))
        return erase.carry_out(line.erasure_id)
    except (Stopped, Unusable, *database.Failure):
        raise
    except Exception as error:
        log.error("an erasure of the ledger failed", erasure_id=line.erasure_id, error=describe_error(error))
        return False
