"""The worker's settings: the doubts that only an owner can settle, timeouts, retries, who is notified, the vendors' APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from handlers.config import vendor_apis
from handlers.config.vendor_apis import IdenfyApi, IdngoApi, IfcgateApi
from handlers.config.vocabulary import ifcgate, words
from handlers.config.vocabulary.idenfy import TAGS
from handlers.config.vocabulary.idngo import LABELS
from handlers.config.vocabulary.words import Meaning
from store import config
from store.config import signing_secret
from store.config.log_settings import is_address
from store.inbox.settling import Retries
from store.system.environment import Environment
from store.text import web_addresses
from store.text.states import Status
from store.text.web_addresses import NamedAddress

#: The changes that endpoints are notified of: approvals that fell, every other status too, or everything.
NOTIFY_ON = ("adverse", "status", "all")

#: The most endpoints.
NOTIFY_URLS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the worker and the command line."""

    #: IDnGO levels whose GREEN approves; at others it is progress. None: all.
    idngo_approving_levels: frozenset[str] | None = None
    #: Further IFCGATE words, and what they mean.
    ifcgate_statuses: dict[str, Status] = field(default_factory=dict)
    #: Further labels of IDnGO and tags of iDenfy, and what they say about an approval.
    idngo_words: dict[str, Meaning] = field(default_factory=dict)
    idenfy_words: dict[str, Meaning] = field(default_factory=dict)
    #: Whether the date on which a document runs out is kept, where a vendor tells it.
    keep_expiry: bool = False
    retries: Retries = field(default_factory=Retries)
    #: What one event may cost: then the process that handles it is killed, or gets no more memory.
    event_seconds_max: int = 10
    worker_bytes_max: int = 512 * 1024 * 1024
    #: The endpoints that get notifications of changes.
    notify_urls: tuple[NamedAddress, ...] = ()
    #: All of them sign, so that a receiver can go from one to the next.
    notify_secrets: tuple[bytes, ...] = ()
    notify_on: str = "adverse"
    #: The environments of the changes that subscribers get.
    environments: frozenset[str] = frozenset({"live"})
    #: Hosts that may have a private address; whether http will do.
    private_hosts: frozenset[str] = frozenset()
    plain_http: bool = False
    #: The vendors' APIs, to ask for a status and to begin a verification. None: the vendor is not asked.
    ifcgate_api: IfcgateApi | None = None
    idngo_api: IdngoApi | None = None
    idenfy_api: IdenfyApi | None = None
    #: The environment of the applicants that the vendors' APIs know: live or sandbox.
    api_environment: str = "live"
    #: Which vendors are asked automatically, how often, and whether an applicant that drifted is repaired.
    reconcile_vendors: tuple[str, ...] = ()
    reconcile_every: timedelta = timedelta(hours=24)
    reconcile_repairs: bool = False
    reaction_attempts_max: int = 15
    reaction_seconds_max: int = 30

    @property
    def api_vendors(self) -> list[str]:
        """Return the vendors whose APIs are configured."""
        apis = {"ifcgate": self.ifcgate_api, "idngo": self.idngo_api, "idenfy": self.idenfy_api}
        return [vendor for vendor, api in apis.items() if api is not None]


def read(environment: Environment) -> Settings:
    """Return the settings. The environment collects what is wrong with them."""
    levels = environment.items("IDNGO_APPROVING_LEVELS")
    plain_http = environment.yes_or_no("NOTIFY_PLAIN_HTTP")
    notify_on = environment.text("NOTIFY_ON", "adverse")
    if notify_on not in NOTIFY_ON:
        environment.wrong("NOTIFY_ON", f"must be one of {', '.join(NOTIFY_ON)}")
    worlds = environment.items("REACTION_ENVIRONMENTS", ("live",))
    if not set(worlds) <= {"live", "sandbox"}:
        environment.wrong("REACTION_ENVIRONMENTS", "may name live, sandbox, and nothing else")
    urls = _notify_urls(environment, plain_http=plain_http)
    secrets = environment.each("NOTIFY_SECRETS", _secret)
    if (urls or any(is_address(place) for place in environment.items("LOG_PUBLISH"))) and not secrets:
        environment.wrong("NOTIFY_SECRETS", "is missing: whsec_ and base64 of 24 to 64 random bytes, for the endpoints to know us by")
    ifcgate_api = vendor_apis.ifcgate_api(environment, plain_http=plain_http)
    idngo_api = vendor_apis.idngo_api(environment, plain_http=plain_http)
    idenfy_api = vendor_apis.idenfy_api(environment, plain_http=plain_http)
    apis = {"ifcgate": ifcgate_api, "idngo": idngo_api, "idenfy": idenfy_api}
    return Settings(
        idngo_approving_levels=frozenset(levels) if levels else None,
        ifcgate_statuses=dict(environment.each("IFCGATE_STATUSES", ifcgate.word_and_status)),
        idngo_words=words.further(environment, "IDNGO_WORDS", LABELS),
        keep_expiry=environment.yes_or_no("KEEP_EXPIRY"),
        idenfy_words=words.further(environment, "IDENFY_WORDS", TAGS),
        retries=Retries(
            attempts_max=environment.number("ATTEMPTS_MAX", 14, most=100),
            base=timedelta(seconds=environment.number("RETRY_BASE_SECONDS", 30, most=86_400)),
            limit=timedelta(seconds=environment.number("RETRY_LIMIT_SECONDS", 6 * 60 * 60, most=30 * 86_400)),
        ),
        event_seconds_max=environment.number("EVENT_SECONDS_MAX", 10, most=3600),
        notify_urls=urls,
        notify_secrets=secrets,
        notify_on=notify_on,
        environments=frozenset(worlds),
        private_hosts=frozenset(host.lower() for host in environment.items("NOTIFY_PRIVATE_HOSTS")),
        plain_http=plain_http,
        ifcgate_api=ifcgate_api,
        idngo_api=idngo_api,
        idenfy_api=idenfy_api,
        api_environment=vendor_apis.api_environment(environment),
        reconcile_vendors=_reconcile_vendors(environment, apis),
        reconcile_every=timedelta(hours=environment.number("RECONCILE_HOURS", 24, most=24 * 365)),
        reconcile_repairs=environment.yes_or_no("RECONCILE_REPAIR"),
        reaction_attempts_max=environment.number("REACTION_ATTEMPTS_MAX", 15, most=100),
        reaction_seconds_max=environment.number("REACTION_SECONDS_MAX", 30, most=600),
        worker_bytes_max=environment.number("WORKER_BYTES_MAX", 512 * 1024 * 1024, least=256 * 1024 * 1024, most=2**40),
    )


def _notify_urls(environment: Environment, *, plain_http: bool) -> tuple[NamedAddress, ...]:
    found = environment.each("NOTIFY_URLS", lambda text: web_addresses.named(text, plain_http=plain_http))
    if len(found) > NOTIFY_URLS_MAX:
        environment.wrong("NOTIFY_URLS", f"names {len(found)} addresses: at most {NOTIFY_URLS_MAX} are possible")
    if repeated := web_addresses.repeated(found):
        environment.wrong("NOTIFY_URLS", repeated)
    return found


def _reconcile_vendors(environment: Environment, apis: Mapping[str, object]) -> tuple[str, ...]:
    vendors = environment.items("RECONCILE_VENDORS")
    for vendor in vendors:
        if vendor not in apis:
            environment.wrong("RECONCILE_VENDORS", f"may name {', '.join(apis)}, and nothing else")
        elif apis[vendor] is None:
            environment.wrong("RECONCILE_VENDORS", f"names {vendor}, whose API is not configured")
    return vendors


@cache
def settings() -> Settings:
    """Return the settings, read once in a process and checked together with the store's. Raises Misconfigured."""
    environment = Environment()
    config.read(environment)
    found = read(environment)
    environment.check()
    return found


def _secret(text: str) -> bytes:
    secret = signing_secret(text)
    if not 24 <= len(secret) <= 64:
        raise ValueError("is not of 24 to 64 bytes")
    return secret
