"""A model's servers, started for as long as they are needed, and ended with whoever needed them.

    settings.py   what a config says: `fleet: {on: local, replicas: 2}`
    replica.py    one server, as a process of its own
    keep.py       what stands between: it ends the server when its driver is gone, however it went
    local.py      so many of them on this machine: started, watched, restarted, ended
    shared.py     the same for users one after another, in whatever event loop

A replica is `gristmill serve` with the model, `--engine vllm` where the model string says so. The
addresses of those that answer stand in a file, which whoever calls the model reads and watches.
"""
