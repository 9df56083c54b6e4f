"""Programs that start warm: forked from a process that has loaded their modules, instead of loading them each time.

A program that tests start is a real process of its own, a child of the test's: it has its own environment, arguments, folder, signals
and exit status. Only its imports are done already; they cost most of a start. So it is with the modules that a worker runs beside itself:
they are children of the worker. What other programs start is not warm, nor is what `tests.faults` and `.ci/run` start.
"""

from tests.support.warm.starting import cold, install, uninstall

__all__ = ["cold", "install", "uninstall"]
