"""Which settings does the store have?"""

from store.config.store_settings import (
    SPOOL_BYTES_MAX,
    Settings,
    database_pooler,
    embedded_socket,
    encryption_keys,
    encryption_keys_now,
    generated_keys,
    own_keys_mark,
    read,
    registered,
    settings,
    signing_secret,
    up_lock,
)

__all__ = [
    "SPOOL_BYTES_MAX",
    "Settings",
    "database_pooler",
    "embedded_socket",
    "encryption_keys",
    "encryption_keys_now",
    "generated_keys",
    "own_keys_mark",
    "read",
    "registered",
    "settings",
    "signing_secret",
    "up_lock",
]
