"""Files that start an engine on a cluster: a Slurm job, or a Kubernetes deployment and service."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable

import yaml

from gristmill.errors import ConfigError
from gristmill.serve.vllm import KEY, Engine, Started

IMAGE = "vllm/vllm-openai:latest"


def slurm(engine: Engine, started: Started) -> str:
    """A batch script. On several machines the first answers, and the others work for it."""
    gpus = min(engine.gpus, engine.tensor * engine.pipeline)
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name=serve-{_name(engine.model)}",
        f"#SBATCH --nodes={engine.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --gpus-per-node={gpus}",
        "#SBATCH --exclusive",
        "set -eu",
    ]
    if engine.key_env:
        lines.append(f': "${{{engine.key_env}:?set it where you call sbatch}}"')
        lines.append(f'export {KEY}="${engine.key_env}"')
    lines.append('head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)')
    lines.append(f'echo "{_elsewhere(started.model, "$head")}"')
    line = shlex.join(started.arguments)
    if engine.nodes == 1:
        return "\n".join([*lines, f"exec srun {line}", ""])
    line = f"{line} --nnodes {engine.nodes} --node-rank $SLURM_NODEID --master-addr $head"
    worker = '$([ "$SLURM_NODEID" = 0 ] || echo --headless)'
    command = f"{line} {worker}"
    lines += ["export head", f"exec srun bash -c {shlex.quote(command)}", ""]
    return "\n".join(lines)


def kubernetes(engine: Engine, started: Started) -> str:
    """A Deployment and a Service. Raises ConfigError where one machine is not enough."""
    if engine.nodes > 1:
        raise ConfigError(
            f"--job kubernetes: {engine.tensor * engine.pipeline} GPUs are more than the "
            f"{engine.gpus} of one machine (--gpus); a Deployment starts pods of one machine each"
        )
    name = _name(engine.model)
    arguments = list(started.arguments)
    # The image's own entry point is `vllm serve`.
    first = arguments.index("--model") if "--model" in arguments else 1
    probe = {"httpGet": {"path": "/health", "port": engine.port}}
    container = {
        "name": name,
        "image": IMAGE,
        "args": arguments[first + 1 :],
        "ports": [{"containerPort": engine.port}],
        "resources": {"limits": {"nvidia.com/gpu": engine.tensor * engine.pipeline}},
        # A large model takes its time to load.
        "startupProbe": {**probe, "periodSeconds": 10, "failureThreshold": 360},
        "readinessProbe": {**probe, "periodSeconds": 5},
        "livenessProbe": {**probe, "periodSeconds": 10},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "models", "mountPath": _mount(engine, arguments[first + 1])},
        ],
    }
    if engine.key_env:
        secret = {"name": f"{name}-key", "key": engine.key_env}
        container["env"] = [{"name": KEY, "valueFrom": {"secretKeyRef": secret}}]
    labels = {"app": name}
    pod = {
        "containers": [container],
        "volumes": [
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "models", "persistentVolumeClaim": {"claimName": f"{name}-models"}},
        ],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"port": engine.port}]},
    }
    said = f"# In a config: {_elsewhere(started.model, name)}\n"
    said += f"# The claim {name}-models holds the model's files (or the hub's cache).\n"
    # Through JSON: what is said twice is written twice, and not as YAML's references.
    whole = json.loads(json.dumps([deployment, service]))
    return said + yaml.safe_dump_all(whole, sort_keys=False)


JOBS: dict[str, Callable[[Engine, Started], str]] = {"slurm": slurm, "kubernetes": kubernetes}


def job(kind: str, engine: Engine, started: Started) -> str:
    """The file of this kind. Raises ConfigError."""
    if kind not in JOBS:
        raise ConfigError(f"--job {kind}: not one of {', '.join(JOBS)}")
    return JOBS[kind](engine, started)


def _mount(engine: Engine, place: str) -> str:
    """Where the files of a model lie in the container: as here, or in the hub's cache."""
    return place if place.startswith("/") else "/root/.cache/huggingface"


def _name(model: str) -> str:
    """A model's name as labels and host names may be."""
    plain = re.sub(r"[^a-z0-9]+", "-", model.rpartition("/")[2].lower()).strip("-")
    return f"m-{plain}"[:40].rstrip("-") if not plain[:1].isalpha() else plain[:40].rstrip("-")


def _elsewhere(model: str, host: str) -> str:
    return re.sub(r"//[^/]+:(\d+)/", rf"//{host}:\1/", model)
