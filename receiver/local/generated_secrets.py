"""Generated secrets: keys, tokens and sandbox secrets that a first run needs, generated once and kept in VAR_DIR.

Live secrets are never generated: a vendor signs with its own.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from store.config import own_keys_mark
from store.system import durable_files
from store.system.environment import Environment, secrets_dir

MAKERS: dict[str, Callable[[], str]] = {
    "ENCRYPTION_KEYS": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "INDEX_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "LOG_SIGNING_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "READ_TOKENS": lambda: f"local-reader={secrets.token_urlsafe(24)}",
    "LINK_TOKENS": lambda: f"local-linker={secrets.token_urlsafe(24)}",
    "OPERATOR_TOKENS": lambda: f"local-operator={secrets.token_urlsafe(24)}",
    "PRIVACY_TOKENS": lambda: f"local-officer={secrets.token_urlsafe(24)}",
    "PLAYED_KEY": lambda: secrets.token_urlsafe(24),
    "IFCGATE_SANDBOX_SECRETS": lambda: f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
    "IDNGO_SANDBOX_SECRETS": lambda: secrets.token_urlsafe(24),
    "IDENFY_SANDBOX_SECRETS": lambda: secrets.token_urlsafe(24),
}


def provide(environment: Environment) -> list[str]:
    """Generate what is missing; return the names."""
    folder = secrets_dir(environment.var_dir)
    environment.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    missing = [name for name in MAKERS if environment.source(name) is None]
    if "ENCRYPTION_KEYS" in missing:
        durable_files.replace(own_keys_mark(environment), "Standing replaces the keys in ENCRYPTION_KEYS: docs/backups.md says when.\n")
    for name in missing:
        durable_files.replace(folder / name, MAKERS[name]() + "\n")
    return missing


def whose_token(environment: Environment) -> str:
    """Return which token signs in at the console. The token itself is a secret, and no line shows it."""
    made = environment.generated("OPERATOR_TOKENS")
    return f"the token in {made}: what follows its first `=`" if made else "a named token of OPERATOR_TOKENS"
