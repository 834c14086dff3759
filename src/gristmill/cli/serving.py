"""`gristmill serve`: models over HTTP, by this process or by an engine."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from gristmill.backends.secret import variable
from gristmill.cli.console import OUT
from gristmill.errors import ConfigError


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            help="tiny:instruct, tiny:reward, hf:./dir or hf:org/name; several are served side by "
            "side, each under the name it has here.",
            show_default=False,
        ),
    ],
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    key_env: Annotated[
        str | None,
        typer.Option(help="The environment variable that holds the key that requests must have."),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=1, help="Calls that a model holds; beyond them it answers 429.")
    ] = 512,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="New tokens of an answer where a request does not say.")
    ] = 2048,
    max_body: Annotated[float, typer.Option(min=0.001, help="MiB that a request may have.")] = 4,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds for what is under way when it is stopped.")
    ] = 10,
    engine: Annotated[
        str, typer.Option(help="What computes: local, this process; or vllm, started by it.")
    ] = "local",
    print_: Annotated[
        bool, typer.Option("--print", help="Only print the line that starts vLLM.")
    ] = False,
    job: Annotated[
        str | None,
        typer.Option(help="Only print a file that starts vLLM on a cluster: slurm or kubernetes."),
    ] = None,
    tensor: Annotated[
        int, typer.Option(min=1, help="vLLM: GPUs over which each layer is split.")
    ] = 1,
    pipeline: Annotated[
        int, typer.Option(min=1, help="vLLM: groups of GPUs over which the layers are spread.")
    ] = 1,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="vLLM: the kind of GPU, h200 or another of `gristmill plan`, which then says how "
            "the model is split."
        ),
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="vLLM: GPUs of one machine.")] = 8,
    precision: Annotated[
        str | None, typer.Option(help="vLLM: bf16, fp16, fp32 or fp8; by default as the files are.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="vLLM: tokens of a conversation at most.")
    ] = None,
    vllm: Annotated[
        str, typer.Option(help="The vLLM executable, or a python that has it.")
    ] = "vllm",
    flag: Annotated[
        list[str] | None,
        typer.Option(
            help="One more of vLLM's flags: --flag=--enforce-eager; repeated.", show_default=False
        ),
    ] = None,
    wait: Annotated[float, typer.Option(min=1, help="vLLM: seconds until it must answer.")] = 3600,
) -> None:
    """Serve models as OpenAI's interface has them: chat, completions, embeddings, rewards.

    Prints the model strings that a config takes. Ctrl-C or SIGTERM lets what is under way finish.
    It needs the extra `serve`; with `--engine vllm` it starts a vLLM that is installed, for one
    model.
    """
    if key_env is not None:
        variable(key_env)
    if engine == "local":
        if print_ or job:
            raise ConfigError("--print and --job are for an engine: add --engine vllm")
        from gristmill.serve.run import Settings
        from gristmill.serve.run import serve as serve_models

        body = round(max_body * 2**20)
        settings = Settings(host, port, key_env, queue, max_tokens, body, grace)
        serve_models(models, settings, _say)
        return
    if engine != "vllm":
        raise ConfigError(f"--engine {engine}: not one of local, vllm")
    if len(models) != 1:
        raise ConfigError(f"--engine vllm serves one model; {len(models)} are named")
    from gristmill.serve.engine import serve_engine
    from gristmill.serve.jobs import job as job_file
    from gristmill.serve.vllm import Engine, start

    if gpu is not None:
        if (tensor, pipeline) != (1, 1):
            raise ConfigError("--gpu plans the split: leave out --tensor and --pipeline")
        from gristmill.plan.model import plan_model

        layout = plan_model(models[0], precision=precision, gpu=gpu, context=max_length).layout
        tensor, pipeline = layout.tensor, layout.pipeline
    asked = Engine(
        models[0],
        host=host,
        port=port,
        tensor=tensor,
        pipeline=pipeline,
        precision=precision,
        length=max_length,
        command=vllm,
        flags=tuple(flag or ()),
        key_env=key_env,
        gpus=gpus,
    )
    if job:
        # On a cluster, whoever asks is elsewhere.
        asked = replace(asked, host="0.0.0.0" if host == "127.0.0.1" else host)
        sys.stdout.write(job_file(job, asked, start(asked)))
    elif print_:
        print(start(asked).line(key_env))
    else:
        serve_engine(asked, _say, wait)


def _say(line: str) -> None:
    OUT.print(line, markup=False, soft_wrap=True)
    OUT.file.flush()
