"""The job's name of the release before, for one release: see `store.inbox.wakeup`."""

from handlers.worker.drain import drain

__all__ = ["drain"]
