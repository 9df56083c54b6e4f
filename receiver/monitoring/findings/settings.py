"""What is configured: senders, tokens, keys for data at rest, rules and functions that can be loaded."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from importlib.metadata import entry_points

from sqlalchemy import make_url

from receiver import config
from receiver.monitoring.findings.sentence import Finding, Sentence, many
from receiver.vendors import VENDORS
from store import config as store_config
from store.access import operators
from store.access.tokens import Token
from store.system import logs
from store.system.environment import Environment, others_may_read, secrets_dir

#: A shorter secret of a vendor could be guessed from one signed delivery.
SECRET_BYTES_MIN = 16

PROBLEM = Sentence("settings", "wrong", "{problem}")
COMPLETE = Sentence("settings", "ok", "complete; VAR_DIR is {folder}")
NOT_CONFIGURED = Sentence("{vendor}", "look", "not configured: answers 404 until {variable} is set")
WEAK = Sentence("{vendor}", "look", "{count} of its secrets have fewer than {least} bytes and could be guessed")
CONFIGURED = Sentence("{vendor}", "ok", "{live} live and {sandbox} sandbox secrets")
NOTHING_LIVE = Sentence("{vendor}", "look", "{live} live and {sandbox} sandbox secrets: nothing live can come in")
TOKENS = Sentence("{variable}", "ok", "{names}")
NO_TOKENS = Sentence("{variable}", "look", "none: those calls answer 401")
OPEN_METRICS = Sentence("METRICS_TOKENS", "look", "none, and the web process listens on {host}: /metrics and /openapi.json are open")
JOINED = Sentence("rights", "look", "{person} is in {lists}: one person holds these rights together")
ALONE = Sentence("rights", "look", "OPERATOR_TOKENS has one name: nothing that takes two persons can be confirmed")
READABLE = Sentence("rights", "ok", "whoever may act as {user} on this host can read every plain token: give sha256 digests instead")
BESIDE = Sentence("ENCRYPTION_KEYS", "look", "from the {source}, beside the database: whoever copies the folder can read the bodies")
KEYS = Sentence("ENCRYPTION_KEYS", "ok", "{keys}, from the {source}")
EXPOSED = Sentence("{name}", "wrong", "{path} can be read by others: chmod 600 it")
OPEN_FOLDER = Sentence("VAR_DIR", "look", "{folder} can be read by others: chmod -R go= {folder}")
NO_RULES = Sentence("handlers", "wrong", "cannot be loaded ({error}): events are kept, and wait")
RULES = Sentence("handlers", "ok", "the rules can be loaded")
NO_FUNCTION = Sentence("reaction", "wrong", "{name} cannot be loaded ({error}): its changes wait")
FUNCTION = Sentence("reaction", "ok", "{name} is notified of changes ({place})")


def senders(web: config.Settings) -> Iterator[Finding]:
    """Yield which vendors can deliver."""
    for vendor in VENDORS:
        sender = web.senders.get(vendor)
        if sender is None:
            yield NOT_CONFIGURED(vendor=vendor, variable=f"{vendor.upper()}_SECRETS")
            continue
        live = sum(key.environment == "live" for key in sender.keys)
        weak = sum(len(key.secret) < SECRET_BYTES_MIN for key in sender.keys)
        if weak:
            yield WEAK(vendor=vendor, count=weak, least=SECRET_BYTES_MIN)
        yield (CONFIGURED if live else NOTHING_LIVE)(vendor=vendor, live=live, sandbox=len(sender.keys) - live)


def tokens(web: config.Settings) -> Iterator[Finding]:
    """Yield who may call the API, and who holds which rights together."""
    lists = {"READ_TOKENS": web.tokens.read, "LINK_TOKENS": web.tokens.link, "OPERATOR_TOKENS": web.tokens.operator}
    for variable, held in lists.items():
        names = ", ".join(token.name for token in held)
        yield TOKENS(variable=variable, names=names) if held else NO_TOKENS(variable=variable)
    yield from _joined_rights(lists | {"STARTER_TOKENS": web.tokens.starter, "PRIVACY_TOKENS": web.tokens.privacy})
    if not web.tokens.metrics and web.host not in ("127.0.0.1", "::1", "localhost"):
        yield OPEN_METRICS(host=web.host)


def _joined_rights(lists: dict[str, tuple[Token, ...]]) -> Iterator[Finding]:
    """Yield which rights one person can join: by a name in several lists, or by an account that can read every token."""
    held: dict[str, list[str]] = {}
    for variable, given in lists.items():
        for person in {token.person for token in given if token.is_named}:
            held.setdefault(person, []).append(variable)
    for person, variables in sorted(held.items()):
        if len(variables) > 1:
            yield JOINED(person=person, lists=", ".join(variables))
    if len({token.person for token in lists["OPERATOR_TOKENS"]}) == 1:
        yield ALONE()
    yield READABLE(user=operators.account())


def secrets_at_rest(environment: Environment, stored: store_config.Settings) -> Iterator[Finding]:
    """Yield where the keys for data at rest come from, and which files others can read."""
    source = environment.source("ENCRYPTION_KEYS") or ""
    beside = source.startswith("file ") and make_url(stored.database_url).get_backend_name() == "sqlite"
    yield BESIDE(source=source) if beside else KEYS(keys=many(len(stored.encryption_keys), "key"), source=source)
    if others_may_read(environment.var_dir):
        yield OPEN_FOLDER(folder=environment.var_dir)
    folder = secrets_dir(environment.var_dir)
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield EXPOSED(name=path.name, path=path)


def rules() -> Iterator[Finding]:
    """Yield whether the rules can be loaded. Deliveries are kept either way."""
    for entry in entry_points(group="standing.commands", name="handlers"):
        try:
            entry.load()
        except Exception as error:
            yield NO_RULES(error=logs.describe_error(error))
        else:
            yield RULES()


def functions() -> Iterator[Finding]:
    """Yield the owner's functions that are notified of changes."""
    for entry in entry_points(group="standing.reactions"):
        try:
            entry.load()
        except Exception as error:
            yield NO_FUNCTION(name=entry.name, error=logs.describe_error(error))
        else:
            yield FUNCTION(name=entry.name, place=entry.value)
