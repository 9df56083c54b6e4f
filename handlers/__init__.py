"""What does it mean? The rules: events become news, and news moves applicants.

This package never sees a delivery's signature or the signing secret. It runs in the worker and on the command line.
"""

from handlers.notify.subscribers import Change

__all__ = ["Change"]
