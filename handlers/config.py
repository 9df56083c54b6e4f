"""What the worker is told from outside: the doubts that only an owner can settle, and its patience with failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from store import config
from store.config import Environment
from store.states import Status

#: What an IFCGATE word can be configured to mean; the other statuses are no vendor's verdict or progress.
WORD_STATUSES = (
    Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.NEEDS_REVIEW, Status.APPROVED,
    Status.RESUBMISSION_REQUESTED, Status.REJECTED, Status.SESSION_EXPIRED, Status.CANCELLED,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The rules' own settings."""

    #: IDnGO levels whose GREEN approves; at others it is progress. None: all.
    idngo_approving_levels: frozenset[str] | None = None
    #: Further IFCGATE words, and what they mean.
    ifcgate_statuses: dict[str, Status] = field(default_factory=dict)
    attempts_max: int = 14
    retry_base: timedelta = timedelta(seconds=30)
    retry_limit: timedelta = timedelta(hours=6)
    #: What one event may cost: then the process that handles it is killed, or told that there is no more memory.
    event_seconds_max: int = 10
    worker_bytes_max: int = 512 * 1024 * 1024


def read(environment: Environment) -> Settings:
    """The rules' settings; what is wrong with them is remembered by the environment."""
    levels = environment.items("IDNGO_APPROVING_LEVELS")
    return Settings(
        idngo_approving_levels=frozenset(levels) if levels else None,
        ifcgate_statuses=dict(environment.each("IFCGATE_STATUSES", _word_and_status)),
        attempts_max=environment.number("ATTEMPTS_MAX", 14),
        retry_base=timedelta(seconds=environment.number("RETRY_BASE_SECONDS", 30)),
        retry_limit=timedelta(seconds=environment.number("RETRY_LIMIT_SECONDS", 6 * 60 * 60)),
        event_seconds_max=environment.number("EVENT_SECONDS_MAX", 10),
        worker_bytes_max=environment.number("WORKER_BYTES_MAX", 512 * 1024 * 1024, least=256 * 1024 * 1024, most=2**40),
    )


@cache
def settings() -> Settings:
    """The rules' settings and, checked along with them, the store's. Read once in a process. Raises Misconfigured."""
    environment = Environment()
    config.read(environment)
    found = read(environment)
    environment.check()
    return found


def _word_and_status(entry: str) -> tuple[str, Status]:
    word, separator, status = entry.partition(":")
    if not separator or not word:
        raise ValueError("is not word:status")
    if status.strip() not in WORD_STATUSES:
        raise ValueError(f"must name one of {', '.join(WORD_STATUSES)}")
    return word.strip(), Status(status.strip())
