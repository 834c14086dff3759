"""`gristmill plan`: what hardware a model or a run takes, before any is rented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gristmill.cli.console import OUT
from gristmill.cli.settings import Settings
from gristmill.errors import ConfigError


def plan(
    model: Annotated[
        str,
        typer.Argument(
            help="A preset (nemotron-4-340b), a config.json or its folder, hf:org/name from the "
            "cache; or a run's config (.yaml).",
            show_default=False,
        ),
    ],
    precision: Annotated[
        str | None,
        typer.Option(help="Of the weights: bf16, fp8, int4, nvfp4, mxfp4; by default as stored."),
    ] = None,
    gpu: Annotated[
        str,
        typer.Option(
            help="h100, h100-pcie, h100-nvl, h200, a100-80gb, a100-40gb, l40s, b200, gb200, "
            "mi300x, rtx-4090, rtx-5090."
        ),
    ] = "h100",
    gpus: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="So many of them; by default the smallest set."),
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a sequence; by default the model's own.")
    ] = None,
    kv: Annotated[str, typer.Option(help="Precision of the KV cache: bf16 or fp8.")] = "bf16",
    memory_share: Annotated[
        float, typer.Option(help="Of each GPU's memory that is used, as vLLM is told.")
    ] = 0.9,
    rows: Annotated[
        int | None, typer.Option(help="Of a run: accepted prompts; by default its target.")
    ] = None,
    accepted: Annotated[
        float | None, typer.Option(help="Of a run: the share of prompts that is accepted.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="Of a run: the folder of a run to measure its work on.")
    ] = None,
    tried: Annotated[
        int | None,
        typer.Option(
            "--try",
            min=0,
            help="Of a run: do so many prompts now, and measure; their calls are paid for. By "
            "default 100 where all models are tiny or scripted, else 0.",
        ),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option("--as", help="Of a run: ROLE=MODEL, what a model is; may be repeated."),
    ] = None,
    gpu_usd: Annotated[
        float | None, typer.Option(min=0, help="Of a run: US dollars for a GPU's hour.")
    ] = None,
    reached: Annotated[
        float, typer.Option(help="Of a run: share of the bounds' speed that is reached.")
    ] = 0.5,
    set_: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say what a model, or a whole run, takes: memory, GPUs, time, money.

    Of a model: parameters by part, weights at each precision, KV cache, the smallest sets of GPUs
    with a legal tensor x pipeline split, how many sequences fit beside the weights, bounds on the
    time of a step and on tokens/s, and the command that serves it. Of a run's config (YAML): calls,
    tokens, GPU-hours and money for generator and judges together. Nothing is asked of the network.
    """
    both = {"precision": precision, "gpu": gpu, "context": context}
    of_model = {"count": gpus, "kv": kv, "share": memory_share}
    of_run = {
        "rows": rows,
        "accepted": accepted,
        "like": like,
        "tried": tried,
        "shapes": _shapes(shapes),
        "gpu_usd": gpu_usd,
        "reached": reached,
        "set": set_,
    }
    if model.endswith((".yaml", ".yml")):
        _only(of_model, {"kv": "bf16", "share": 0.9}, f"{model} is a run's config")
        _plan_run(model, {**both, **of_run}, as_json)
        return
    _only(of_run, {"reached": 0.5}, f"{model} is a model, not a run's config (.yaml)")
    from gristmill.plan.model import plan_model
    from gristmill.plan.show import show_plan

    found = plan_model(model, **both, **of_model)
    if as_json:
        _print(found.as_json())
    else:
        show_plan(OUT, found)


_FLAGS = {"count": "--gpus", "share": "--memory-share", "tried": "--try", "shapes": "--as"}


def _only(options: dict[str, Any], defaults: dict[str, Any], why: str) -> None:
    """Options that would have no effect are refused, not passed over."""
    for name, value in options.items():
        if value not in (None, {}, defaults.get(name)):
            flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
            raise ConfigError(f"{flag}: has no effect here, since {why}; leave it out")


def _plan_run(path: str, options: dict[str, Any], as_json: bool) -> None:
    from gristmill.jobs.display import Display
    from gristmill.mill import Config
    from gristmill.plan.run import TRIED, plan_run
    from gristmill.plan.show_run import show_run_plan
    from gristmill.terminal.console import speaker

    config = Config.load(path, options.pop("set") or ())
    tried = TRIED if options["tried"] is None else options["tried"]
    trial = config.model_copy(update={"target": None})
    with Display(speaker(as_json), trial, tried) as watch:
        found = plan_run(config, **options, watch=watch)
    if as_json:
        _print(found.as_json())
    else:
        show_run_plan(OUT, found)


def _shapes(given: list[str] | None) -> dict[str, str]:
    found = {}
    for one in given or ():
        role, equals, model = one.partition("=")
        if not (role and equals and model):
            raise ConfigError(f"--as {one}: give ROLE=MODEL, for instance generate=llama-3.1-8b")
        found[role] = model
    return found


def _print(values: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode())
