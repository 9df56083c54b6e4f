"""The vendor's own deletion, where the approval asks for it (`with_vendor`): iDenfy is asked by its API, the others by a person.

It comes after everything was erased here. iDenfy refuses while the token of a verification is valid, so that it is asked again later."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import structlog
from msgspec import Struct

from handlers import config
from handlers.clients.idenfy import Idenfy
from handlers.clients.pacing import Pacing
from handlers.clients.retry_after import NOT_NOW
from handlers.clients.vendor import CredentialsRefused, Unanswered
from handlers.config import IdenfyApi
from store import database
from store.privacy.erasing import vendor_wait
from store.privacy.erasing.erasures import Begun
from store.privacy.erasing.vendor_wait import Answer
from store.system import clock, fault_points
from store.text import traces
from store.text.states import ApplicantKey

log = structlog.get_logger()

#: The vendor whose API deletes.
DELETES = "idenfy"

#: When a vendor that has not erased is asked again, unless it asks for more time.
AGAIN = timedelta(minutes=10)

#: One attempt: other erasures do not wait for a vendor.
ONCE = Pacing(attempts_max=1)


class Refusal(Struct, frozen=True, kw_only=True):
    """The vendor has not erased."""

    answer: Answer
    again_at: datetime | None = None


def carry_out(begun: Begun, *, ledger_line: int) -> bool:
    """Have the vendors erase; return whether nothing is left to wait for. It may be done again: what is erased there stays so.

    What a person must ask for is written down, and not waited for; nor is a vendor whose deletion a person confirmed."""
    if database.read(lambda connection: vendor_wait.is_confirmed(connection, begun)):
        return True
    asked = [key for key in begun.keys if _is_asked(key)]
    tasks = sorted({key.vendor for key in begun.keys if not _is_asked(key)})
    database.write(lambda connection: vendor_wait.note_tasks(connection, begun, tasks))
    if not asked:
        return True
    database.write(lambda connection: vendor_wait.begin(connection, begun, ledger_line=ledger_line))
    for key in asked:
        with traces.following(traces.begin()):
            if refusal := _refusal(key.reference):
                _postpone(begun, refusal)
                return False
    fault_points.reach("erasure done at the vendor")
    return True


def _is_asked(key: ApplicantKey) -> bool:
    return key.vendor == DELETES and key.environment == config.settings().api_environment


def _postpone(begun: Begun, refusal: Refusal) -> None:
    """Leave an erasure until later."""
    soonest = clock.now() + AGAIN
    again_at = max(soonest, refusal.again_at or soonest)
    database.write(lambda connection: vendor_wait.postpone(connection, begun, answer=refusal.answer, again_at=again_at))
    log.warning("an erasure waits for the vendor", erasure_id=begun.id, vendor=DELETES, answer=refusal.answer.value)


def _refusal(reference: str) -> Refusal | None:
    """Ask iDenfy to delete; return why it has not, or None if it has. The vendor's words are left out: they can name somebody."""
    settings = config.settings()
    if settings.idenfy_api is None:
        return Refusal(answer=Answer.NO_CREDENTIALS)
    try:
        _client(settings.idenfy_api, settings.private_hosts).delete(reference)
    except CredentialsRefused:
        return Refusal(answer=Answer.CREDENTIALS_REFUSED)
    except Unanswered as error:
        return Refusal(answer=_kind(error.status), again_at=error.again_at)
    return None


def _kind(status: int | None) -> Answer:
    if status is None:
        return Answer.NO_ANSWER
    return Answer.NOT_NOW if status in NOT_NOW else Answer.REFUSED


@cache
def _client(api: IdenfyApi, private_hosts: frozenset[str]) -> Idenfy:
    """Return the one client of this process, which keeps the vendor's pace."""
    return Idenfy(api, patience=ONCE, private_hosts=private_hosts)
