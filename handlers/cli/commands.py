"""All commands of this package, for who describes or tries every one. `standing` loads the module of one."""

from __future__ import annotations

from handlers.cli import applicants, decisions, events, notify, reconcile, review, worker
from handlers.cli.privacy import erasures, retention
from handlers.cli.proof import evidence, log
from handlers.cli.repair import rebuild, replay
from handlers.cli.starting import ifcgate, start
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
    *start.commands,
    *ifcgate.commands,
    *log.commands,
    *evidence.commands,
]
