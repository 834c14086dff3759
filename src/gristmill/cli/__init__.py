"""The command line. Thin: it reads options, calls the rooms, and prints.

`milling` has the commands of the mill and the entry point, `training` and `benching` the others.
"""

from gristmill.cli.milling import app, main

__all__ = ["app", "main"]
