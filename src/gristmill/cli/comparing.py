"""`gristmill compare` and `quantize`: a smaller model, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.columns import Columns, columns_of
from gristmill.cli.console import OUT, interruptible
from gristmill.errors import ConfigError


def compare(
    a: Annotated[str, typer.Argument(help="What you have: a model, or a .yaml of one's settings.")],
    b: Annotated[str, typer.Argument(help="What you might take instead.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Rows: a file, a folder, a pattern, `-`, hf:org/name:split, tutor:...; name "
            "several if you like. By default rows of the tutor world that fit.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the results; by default `out/` and both names."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="reward or chat, where the models are not here to say it themselves."),
    ] = None,
    truth: Annotated[
        str,
        typer.Option(
            help="The judge that says whether a chat model's answer is right, by rules: math, "
            "'truth: {match: contains}', code, format."
        ),
    ] = "math",
    columns: Columns = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Look at the first N rows of each source only.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight at most.")] = 64,
    max_tokens: Annotated[int, typer.Option(min=1, help="Room for a chat model's answer.")] = 512,
    key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the endpoint's key.")
    ] = None,
    route: Annotated[
        str, typer.Option(help="Where a reward endpoint listens: chat, classify or pooling.")
    ] = "chat",
) -> None:
    """What B costs against A: two reward models, or two chat models, on the same rows.

    Reward models: who prefers the better answer, how often both give the same verdict, ranks,
    and every attribute. Chat models: right answers, equal texts, perplexity of given answers. Both:
    speed and size. Run it again with the same folder and it goes on; what failed is tried again.
    """
    from gristmill.comparing.run import compare as run
    from gristmill.comparing.show import show_comparison
    from gristmill.intake.source import COLUMNS
    from gristmill.parts import parse_yaml

    try:
        judge = parse_yaml(truth)
    except ConfigError:
        raise ConfigError(f"--truth: cannot read '{truth}'; write for instance math") from None
    asked = {"data": data, "kind": kind, "truth": judge, "limit": limit, "max_tokens": max_tokens}
    settings = {"concurrency": concurrency, "key_env": key_env, "route": route}
    with interruptible():
        found = run(a, b, out, columns=columns_of(columns, COLUMNS), **asked, **settings)
    show_comparison(OUT, found.metrics, found.folder)


def quantize(
    model: Annotated[
        str,
        typer.Argument(help="tiny:..., hf:./dir or hf:org/name.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    scheme: Annotated[
        str, typer.Option(help="fp8: weights of one byte, a scale for each row (FP8_DYNAMIC).")
    ] = "fp8",
) -> None:
    """Write a model in fewer bits, on a CPU, shard by shard; `compare` then says what it costs.

    The head, embeddings, norms and routers keep their numbers. The folder is in the format of
    compressed-tensors: vLLM reads it, and `hf:DIR` does with the extra `fp8`. Writing it needs the
    extra `quantize` (llm-compressor).
    """
    from gristmill.precision.quantize import quantize as run
    from gristmill.precision.quantize import told

    found = run(model, out, scheme=scheme)
    for line in told(found):
        OUT.print(line, markup=False, soft_wrap=True)
    OUT.print(f"model: hf:{_path(out)}", markup=False, soft_wrap=True)


def _path(folder: Path) -> str:
    """A folder as a model string has it: a bare name would be one of the hub's."""
    return str(folder) if folder.is_absolute() else f"./{folder}"
