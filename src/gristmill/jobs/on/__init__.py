"""Where the shards of a run can be started, one file a place: a function `start` of a `Job`."""
