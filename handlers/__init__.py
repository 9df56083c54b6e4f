"""What does it mean? The rules: events become news, news moves applicants.

This package never sees a signature or a secret of a vendor. It runs in the worker and on the command line.
"""
