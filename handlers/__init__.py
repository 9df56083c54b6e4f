"""What does it mean? The rules: events become news, news moves applicants.

This package never sees a delivery's signature or the secret behind it; with which credentials it asks the vendors is another matter. It
runs in the worker and on the command line.
"""

from handlers.notify.subscribers import Change

__all__ = ["Change"]
