"""`python -m gristmill.cli`, for launchers that start a module."""

from gristmill.cli import main

main()
