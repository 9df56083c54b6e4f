"""Queue errors: why the queue cannot be used, in words that an operator can act on, without repeating what was sent."""

from __future__ import annotations

from redis import exceptions
from redis.sentinel import MasterNotFoundError

CLUSTER = "is a node of a cluster, which cannot be used here: one server is needed"

#: By the kind of error, the narrower kinds first.
BY_KIND: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.OutOfMemoryError, "is out of memory (maxmemory is reached, and nothing may be evicted)"),
    (exceptions.ReadOnlyError, "is a read-only replica: REDIS_URL must name the primary"),
    (exceptions.NoPermissionError, "refuses to its user (ACL) what a wake-up needs"),
    (exceptions.AuthenticationError, "refuses the user or the password"),
    (exceptions.AuthorizationError, "refuses the user or the password"),
    (exceptions.BusyLoadingError, "still loads its data"),
    (exceptions.ClusterDownError, "is a node of a cluster that is down"),
    (exceptions.ClusterError, CLUSTER),
    (exceptions.ClusterCrossSlotError, CLUSTER),
    (exceptions.AskError, CLUSTER),
    (MasterNotFoundError, "has no primary that a Sentinel names"),
    (exceptions.TimeoutError, "does not answer in time"),
    (exceptions.ConnectionError, "cannot be reached"),
)

#: By the word with which the server begins what it answers, where the client knows no kind.
BY_WORD = {
    "OOM": "is out of memory (maxmemory is reached, and nothing may be evicted)",
    "READONLY": "is a read-only replica: REDIS_URL must name the primary",
    "NOPERM": "refuses to its user (ACL) what a wake-up needs",
    "NOAUTH": "wants a password",
    "WRONGPASS": "refuses the user or the password",
    "MOVED": CLUSTER,
    "CROSSSLOT": CLUSTER,
    "CLUSTERDOWN": "is a node of a cluster that is down",
    "MISCONF": "cannot save to its disk, and so refuses to write",
    "NOREPLICAS": "has too few replicas, and so refuses to write",
    "MASTERDOWN": "is a replica without its primary",
    "WRONGTYPE": "holds something else under a name that is needed here",
}

#: By a part of what the TLS library says, for which the client knows no kind.
BY_PHRASE = {
    "hostname mismatch": "has a certificate for another host",
    "ip address mismatch": "has a certificate for another host",
    "certificate has expired": "has a certificate that has expired",
    "certificate verify failed": "has a certificate that no CA known here has signed: name the file of its CA in ssl_ca_certs",
    "eof occurred in violation of protocol": "closes connections with TLS: it may want a client's certificate (ssl_certfile, ssl_keyfile)",
}


def of_redis(error: Exception) -> str:
    """Return the meaning of a Redis error, as the end of a sentence about the queue."""
    word = _word(str(error))
    if word in BY_WORD:
        return BY_WORD[word]
    text = str(error).lower()
    if phrase := next((phrase for phrase in BY_PHRASE if phrase in text), None):
        return BY_PHRASE[phrase]
    return next((says for kind, says in BY_KIND if isinstance(error, kind)), f"answers with an error ({type(error).__name__})")


def _word(message: str) -> str:
    """Return the server's own error word. In a transaction's error it follows what the client says of the command."""
    said = message.rpartition("caused error: ")[2]
    return said.partition(" ")[0]
