"""What the worker is told from outside: the doubts that only an owner can settle, and its patience with failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

from store import config
from store.config import Environment, signing_secret
from store.states import Status

#: What an IFCGATE word can be configured to mean; the other statuses are no vendor's verdict or progress.
WORD_STATUSES = (
    Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.NEEDS_REVIEW, Status.APPROVED,
    Status.RESUBMISSION_REQUESTED, Status.REJECTED, Status.SESSION_EXPIRED, Status.CANCELLED,
)  # fmt: skip


#: Of which changes endpoints are told: of approvals that fell, of every other status, or of everything.
NOTIFY_ON = ("adverse", "status", "all")


@dataclass(frozen=True, kw_only=True)
class IdngoApi:
    """Where IDnGO's read API is, and who asks."""

    url: str
    token: str
    secret: bytes


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
    #: Who is told of changes, and how.
    notify_urls: tuple[str, ...] = ()
    #: All of them sign, so that a receiver can go from one to the next.
    notify_secrets: tuple[bytes, ...] = ()
    notify_on: str = "adverse"
    #: Whose changes subscribers are told of.
    environments: frozenset[str] = frozenset({"live"})
    #: Hosts that may have a private address; whether http will do.
    private_hosts: frozenset[str] = frozenset()
    plain_http: bool = False
    #: How IDnGO is asked what an applicant is to send again; None: it is not.
    idngo_api: IdngoApi | None = None
    reaction_attempts_max: int = 15
    reaction_seconds_max: int = 30


def read(environment: Environment) -> Settings:
    """The rules' settings; what is wrong with them is remembered by the environment."""
    levels = environment.items("IDNGO_APPROVING_LEVELS")
    plain_http = environment.text("NOTIFY_PLAIN_HTTP", "no")
    if plain_http not in ("yes", "no"):
        environment.wrong("NOTIFY_PLAIN_HTTP", "must be yes or no")
    notify_on = environment.text("NOTIFY_ON", "adverse")
    if notify_on not in NOTIFY_ON:
        environment.wrong("NOTIFY_ON", f"must be one of {', '.join(NOTIFY_ON)}")
    worlds = environment.items("REACTION_ENVIRONMENTS", ("live",))
    if not set(worlds) <= {"live", "sandbox"}:
        environment.wrong("REACTION_ENVIRONMENTS", "may name live, sandbox, and nothing else")
    urls = environment.each("NOTIFY_URLS", lambda text: _url(text, plain_http=plain_http == "yes"))
    secrets = environment.each("NOTIFY_SECRETS", _secret)
    if urls and not secrets:
        environment.wrong("NOTIFY_SECRETS", "is missing: whsec_ and base64 of 24 to 64 random bytes, for the endpoints to know us by")
    return Settings(
        idngo_approving_levels=frozenset(levels) if levels else None,
        ifcgate_statuses=dict(environment.each("IFCGATE_STATUSES", _word_and_status)),
        attempts_max=environment.number("ATTEMPTS_MAX", 14),
        retry_base=timedelta(seconds=environment.number("RETRY_BASE_SECONDS", 30)),
        retry_limit=timedelta(seconds=environment.number("RETRY_LIMIT_SECONDS", 6 * 60 * 60)),
        event_seconds_max=environment.number("EVENT_SECONDS_MAX", 10),
        notify_urls=urls,
        notify_secrets=secrets,
        notify_on=notify_on,
        environments=frozenset(worlds),
        private_hosts=frozenset(host.lower() for host in environment.items("NOTIFY_PRIVATE_HOSTS")),
        plain_http=plain_http == "yes",
        idngo_api=_idngo_api(environment, plain_http=plain_http == "yes"),
        reaction_attempts_max=environment.number("REACTION_ATTEMPTS_MAX", 15, most=100),
        reaction_seconds_max=environment.number("REACTION_SECONDS_MAX", 30, most=600),
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


def _idngo_api(environment: Environment, *, plain_http: bool) -> IdngoApi | None:
    given = {name: environment.text(name) for name in ("IDNGO_API_URL", "IDNGO_APP_TOKEN", "IDNGO_APP_SECRET")}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            environment.wrong(name, "is missing: give IDNGO_API_URL, IDNGO_APP_TOKEN and IDNGO_APP_SECRET, or none of them")
    url, token, secret = given.values()
    try:
        url = _url(url, plain_http=plain_http) if url else ""
    except ValueError as error:
        environment.wrong("IDNGO_API_URL", str(error))
    if not token.isascii() or not token.isprintable():
        environment.wrong("IDNGO_APP_TOKEN", "has letters that a header cannot have")
    return IdngoApi(url=url.rstrip("/"), token=token, secret=secret.encode())


def _url(text: str, *, plain_http: bool) -> str:
    url = urlsplit(text)
    if url.scheme not in (("https", "http") if plain_http else ("https",)):
        raise ValueError("does not begin with https:// (NOTIFY_PLAIN_HTTP=yes allows http://)")
    if not url.hostname or url.username or url.fragment:
        raise ValueError("must name a host, and neither a user nor a fragment")
    _ = url.port  # Raises ValueError itself.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has letters that a URL cannot have")
    return text


def _secret(text: str) -> bytes:
    secret = signing_secret(text)
    if not 24 <= len(secret) <= 64:
        raise ValueError("is not of 24 to 64 bytes")
    return secret


def _word_and_status(entry: str) -> tuple[str, Status]:
    word, separator, status = entry.partition(":")
    if not separator or not word:
        raise ValueError("is not word:status")
    if status.strip() not in WORD_STATUSES:
        raise ValueError(f"must name one of {', '.join(WORD_STATUSES)}")
    return word.strip(), Status(status.strip())
