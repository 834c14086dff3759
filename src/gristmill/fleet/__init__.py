"""A model's servers, started for as long as they are needed, and ended with whoever needed them.

    settings.py       what a config says: `fleet: {on: local, replicas: 2}`
    replica.py        one server, as a process of its own
    keep.py           ends the server when its driver is gone, however it went
    tend.py           what keeps one up: started, watched, restarted, given up
    servers.py        so many of them, wherever they are, as a file of addresses
    local.py          on this machine
    ray.py            on Ray; ray_link.py speaks with it, ray_replica.py is beside a server
    slurm.py          as jobs of Slurm; sbatch.py asks it, slurm_replica.py is a job
    shared.py         fleets for users one after another, in whatever event loop

A replica is `gristmill serve` with the model, `--engine vllm` where the model string says so. The
addresses of those that answer stand in a file, which whoever calls the model reads and watches.
"""
