"""Whole jobs, each what one command does; the command line and a notebook call the same."""
