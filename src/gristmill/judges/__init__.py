"""Judges: what says how good a response is. One file a judge; see `base` to add one."""
