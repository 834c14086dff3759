"""One job with one tool, for `peers.py`: every prompt answered, and the tool's own data files.

    PEERS_PYTHON benchmarks/peer_sides.py curator URL prompts.jsonl FOLDER REPORT

Each side runs in an environment of its own, with what the tool's documentation gives for a server
of one's own that takes many requests: its own asynchronous client, 256 in flight, one answer each,
no progress bars, no telemetry. Called again with the same FOLDER it resumes, as documented.

gristmill    `gristmill.run`
designer     Data Designer's `create` with a seed file, one `LLMTextColumnConfig` and
             `resume=ResumeMode.IF_POSSIBLE`; metrics endpoint and health check off, templates by
             Jinja2's own sandbox, which is the faster one
curator      `curator.LLM` with the backend `openai`, limits per minute out of reach; it keeps
             responses in the working folder, and goes on from them
distilabel   `TextGeneration` on `OpenAILLM`, batches of 256, the cache on
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

IN_FLIGHT = 256
MAX_TOKENS = 256
ABOVE_ALL_LIMITS = 1_000_000_000
TOKENIZERS = "litellm_core_utils/tokenizers"
QUIET = {
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_API_KEY": "none",
}
os.environ.update(QUIET)


class Job:
    """What is to be done, and when the tool was loaded and when its files were written."""

    def __init__(self, url: str, prompts: str, folder: str, report: str) -> None:
        self.url = url
        self.prompts = Path(prompts)
        self.folder = Path(folder)
        self._report = Path(report)
        self._seen: dict[str, Any] = {}

    def loaded(self, package: str) -> None:
        """The tool is imported, the work begins."""
        self._seen = {
            "version": version(package),
            "loaded": time.time(),
            "loaded_cpu": time.process_time(),
        }

    def written(self) -> None:
        """The data files are there."""
        self._report.write_text(json.dumps({**self._seen, "written": time.time()}))


def gristmill(job: Job) -> None:
    from gristmill.mill import Config, run

    job.loaded("gristmill")
    config = {
        "prompts": {"file": str(job.prompts)},
        "generate": {
            "model": f"{job.url}#chat",
            "responses": 1,
            "max_tokens": MAX_TOKENS,
            "concurrency": IN_FLIGHT,
        },
    }
    run(Config.of(config), job.folder)
    job.written()


def designer(job: Job) -> None:
    import data_designer.config as dd
    from data_designer.interface import DataDesigner, ResumeMode

    job.loaded("data-designer")
    model = dd.ModelConfig(
        alias="chat",
        model="chat",
        provider="loopback",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(
            max_parallel_requests=IN_FLIGHT, max_tokens=MAX_TOKENS
        ),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(job.prompts)))
    builder.add_column(
        dd.LLMTextColumnConfig(name="answer", model_alias="chat", prompt="{{ prompt }}")
    )
    provider = dd.ModelProvider(
        name="loopback", endpoint=job.url, provider_type="openai", api_key="none"
    )
    tool = DataDesigner(artifact_path=job.folder, model_providers=[provider])
    tool.set_run_config(
        dd.RunConfig(otel_metrics_port=None, jinja_rendering_engine=dd.JinjaRenderingEngine.NATIVE)
    )
    count = sum(1 for _ in job.prompts.open())
    tool.create(builder, num_records=count, dataset_name="data", resume=ResumeMode.IF_POSSIBLE)
    job.written()


def curator(job: Job) -> None:
    import litellm
    from bespokelabs import curator as tool

    # What it estimates tokens with; else it downloads the same file.
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.__file__).parent / TOKENIZERS)

    class Answer(tool.LLM):
        def prompt(self, input: dict[str, str]) -> str:
            return input["prompt"]

        def parse(self, input: dict[str, str], response: str) -> dict[str, str]:
            return {"prompt": input["prompt"], "answer": response}

    job.loaded("bespokelabs-curator")
    limits = {
        "base_url": job.url,
        "max_requests_per_minute": ABOVE_ALL_LIMITS,
        "max_tokens_per_minute": ABOVE_ALL_LIMITS,
        "max_concurrent_requests": IN_FLIGHT,
    }
    answer = Answer(
        model_name="chat",
        backend="openai",
        generation_params={"max_tokens": MAX_TOKENS},
        backend_params=limits,
    )
    rows = [json.loads(line) for line in job.prompts.open()]
    answer(rows, working_dir=str(job.folder))
    job.written()


def distilabel(job: Job) -> None:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    job.loaded("distilabel")
    rows = [{"instruction": json.loads(line)["prompt"]} for line in job.prompts.open()]
    with Pipeline(name="peers", cache_dir=job.folder) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=IN_FLIGHT)
        llm = OpenAILLM(
            model="chat",
            base_url=job.url,
            api_key="none",
            generation_kwargs={"max_new_tokens": MAX_TOKENS},
        )
        load >> TextGeneration(llm=llm, input_batch_size=IN_FLIGHT, add_raw_output=False)
    pipeline.run(use_cache=True)
    job.written()


SIDES = {side.__name__: side for side in (gristmill, designer, curator, distilabel)}

if __name__ == "__main__":
    name, *where = sys.argv[1:]
    SIDES[name](Job(*where))
