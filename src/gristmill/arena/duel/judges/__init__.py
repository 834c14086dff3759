"""What decides a battle: one file a judge; see `base` to add one."""
