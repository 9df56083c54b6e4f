"""The settings about personal data: the key of digests, the ledger, how long what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from store.config import base64_keys
from store.system.environment import Environment

#: For so many days the notice of an erasure names its applicant, so that downstream can erase it as well.
NOTICE_DAYS = 30

#: How often a master key of Standing's own is replaced, and for how long a backup can be opened.
KEY_DAYS, BACKUP_DAYS = 7, 35

#: The longest period of a rule.
YEARS_MAX, DAYS_MAX = 100, 36_500


class Kept(StrEnum):
    """What a rule of RETENTION is about."""

    #: Applicants who were ever approved.
    APPROVED = "approved"
    #: Those who were never approved and whose last verdict rejected them.
    REJECTED = "rejected"
    #: All other applicants.
    OTHER = "other"
    #: Applicants and events of the sandbox.
    SANDBOX = "sandbox"
    #: Events that cannot be read.
    UNREADABLE = "unreadable"
    #: Acts that concern no applicant or user who is still kept.
    AUDIT = "audit"


@dataclass(frozen=True)
class Period:
    """A period of the calendar: whole years, or days."""

    years: int = 0
    days: int = 0

    def after(self, moment: datetime) -> datetime:
        """Return the moment when the period is over. A year from 29 February ends on 1 March."""
        year = moment.year + self.years
        try:
            later = moment.replace(year=year)
        except ValueError:
            later = moment.replace(year=year, month=3, day=1)
        return later + timedelta(days=self.days)

    def __str__(self) -> str:
        return f"{self.years}y" if self.years else f"{self.days}d"


@dataclass(frozen=True, kw_only=True)
class PrivacySettings:
    """The settings about personal data."""

    #: Keys the digests of what is erased. None: nothing can be erased.
    index_key: bytes | None
    #: Where erasures are also written, outside the database.
    ledger: Path
    #: Whether ERASURE_LEDGER names it; else it is in VAR_DIR, which another host does not see.
    ledger_is_given: bool
    notice: timedelta
    #: How long what is kept; what no rule names is kept for ever.
    retention: dict[Kept, Period]
    #: Whether a vendor's own deletion requests an erasure.
    erase_with_vendor: bool
    key_life: timedelta
    backup_life: timedelta


def read(environment: Environment) -> PrivacySettings:
    """Return the settings. The environment collects what is wrong with them."""
    return PrivacySettings(
        index_key=base64_keys.single(environment, "INDEX_KEY"),
        ledger=Path(environment.text("ERASURE_LEDGER", str(environment.var_dir / "erasures.ledger"))).absolute(),
        ledger_is_given=bool(environment.text("ERASURE_LEDGER")),
        notice=timedelta(days=environment.number("ERASURE_NOTICE_DAYS", NOTICE_DAYS, least=0, most=DAYS_MAX)),
        retention=dict(environment.each("RETENTION", _rule)),
        erase_with_vendor=environment.yes_or_no("ERASE_WITH_VENDOR"),
        key_life=timedelta(days=environment.number("KEY_DAYS", KEY_DAYS, most=DAYS_MAX)),
        backup_life=timedelta(days=environment.number("BACKUP_DAYS", BACKUP_DAYS, most=DAYS_MAX)),
    )


def _rule(text: str) -> tuple[Kept, Period]:
    what, _, period = text.partition(":")
    number, unit = period[:-1], period[-1:]
    most = {"y": YEARS_MAX, "d": DAYS_MAX}.get(unit, 0)
    if what not in list(Kept) or not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= most:
        raise ValueError(f"is not what:period, with one of {', '.join(Kept)} and a period like 5y or 90d")
    return Kept(what), Period(years=int(number)) if unit == "y" else Period(days=int(number))
