"""All commands of this package, for who describes or tries every one. `standing` loads the module of one."""

from __future__ import annotations

from handlers.cli import applicants, decisions, erasures, events, notify, rebuild, reconcile, replay, retention, review, worker
from handlers.cli.transfer import exports, imports

commands = [
    *worker.commands,
    *applicants.commands,
    *events.commands,
    *decisions.commands,
    *review.commands,
    *replay.commands,
    *rebuild.commands,
    *notify.commands,
    *reconcile.commands,
    *imports.commands,
    *exports.commands,
    *erasures.commands,
    *retention.commands,
]
