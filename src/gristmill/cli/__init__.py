"""The command line. Thin: it reads options, calls the rooms, and prints.

`app` has the entry point and the list of all commands, the other files their options.
"""

from gristmill.cli.app import app, main

__all__ = ["app", "main"]
