"""What the code promises about its ends, its hangs and its secrets, as far as units and manifests depend on it."""

from __future__ import annotations

import re
from pathlib import Path

from handlers.privacy import runner as erasing
from handlers.replay import runner as replaying
from handlers.start import relay
from handlers.worker import sidecar, sweep
from store.system.processes import FROZEN_SECONDS, STARTING_SECONDS

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"

#: The settings that the page about them names.
DOCUMENTED = frozenset(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))


def of_gunicorn(file: str, name: str) -> int:
    """A number of a configuration, which cannot be imported here: it would patch this process."""
    found = re.search(rf"^{name} = (\d+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert found
    return int(found[1])


WEB, CONSOLE = "receiver/gunicorn_config.py", "receiver/console/gunicorn_config.py"

#: How long the most that runs beside a worker's child may take to end, one after another: the sequencer, two dispatchers, the scheduler
#: and the sender, a replay and an erasure; then the child itself.
BESIDE = 5 * sidecar.END_SECONDS + replaying.END_SECONDS + erasing.END_SECONDS

#: How long each role may take to end, in seconds.
ENDS = {
    "web": of_gunicorn(WEB, "graceful_timeout"),
    "console": of_gunicorn(CONSOLE, "graceful_timeout"),
    "worker": BESIDE + sweep.SWEEP_SECONDS + sweep.GRACE_SECONDS + sweep.FAREWELL_SECONDS,
    "relay": relay.END_SECONDS,
}

#: After how long each role has replaced a part of its own that hangs.
HEALS = {
    "web": of_gunicorn(WEB, "timeout"),
    "console": of_gunicorn(CONSOLE, "timeout"),
    "worker": max(FROZEN_SECONDS, STARTING_SECONDS),
    "relay": 0,
}


def may_have(role: str, secret: str) -> bool:
    """Whether a role is to be given a secret: none gets what only another one needs."""
    if secret in ("DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS", "INDEX_KEY"):
        return True
    if secret.endswith("_TOKENS"):
        return role in ("web", "console")
    if secret == "LOG_SIGNING_KEY" or secret == "NOTIFY_SECRETS":
        return role == "worker"
    if secret.endswith("_SECRETS"):
        return role == "web"
    return role in ("worker", "relay")
