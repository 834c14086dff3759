"""What other tools call our keys, so that an error about an unknown one can name ours.

Each name has what it may mean, a key of ours and what is said about it. The first holds whose key a
part has itself (`batch.examples` is one of `batch`), or else in settings of its own, as `lr` is in
`optimizer`.
"""

from __future__ import annotations

HERE = "it is `{}` here"
"""What is said, with the place of our key."""

_FIELD = "a server's own field goes into its request: `{{}}: {{{{{}: ...}}}}`"
_OUT = "the folder is named on the command line, --out DIR"
_KEY = "a key is never in a file; name the environment variable that holds it in `{}`"
_ADDRESS = "the address is part of `model`: http://host:8000/v1#name"
_STEP = "one step's examples, over all devices and parts, are `{}`; `batch.tokens` fits the memory"
_STEPS = HERE + ", a number of steps"
_ROWS = "rows at once of a local model are `{}`; requests in flight are `concurrency`"

ALIASES: dict[str, tuple[tuple[str, str], ...]] = {
    # How answers are sampled.
    **dict.fromkeys(
        ("n", "num_responses", "num_generations", "num_return_sequences", "num_completions"),
        (("responses", HERE),),
    ),
    **dict.fromkeys(
        ("max_new_tokens", "max_completion_tokens", "max_output_tokens", "max_gen_toks"),
        (("max_tokens", HERE),),
    ),
    **dict.fromkeys(("stop_sequences", "stop_words", "stop_strings"), (("stop", HERE),)),
    **dict.fromkeys(("system_prompt", "system_message"), (("system", HERE),)),
    # What only servers know.
    **{
        name: (("body", _FIELD.format(name)),)
        for name in (
            *("top_k", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty"),
            *("logit_bias", "response_format", "chat_template_kwargs", "reasoning_effort"),
        )
    },
    **dict.fromkeys(("extra_body", "extra_params"), (("body", HERE),)),
    # Which model, and how it is called.
    **dict.fromkeys(("model_name", "model_id", "model_name_or_path"), (("model", HERE),)),
    **dict.fromkeys(("base_url", "api_base", "endpoint"), (("body", _ADDRESS),)),
    **dict.fromkeys(("api_key", "openai_api_key"), (("key_env", _KEY),)),
    **dict.fromkeys(
        ("max_concurrency", "max_concurrent_requests", "num_workers", "workers", "max_parallel"),
        (("concurrency", HERE),),
    ),
    **dict.fromkeys(("rpm", "max_requests_per_minute"), (("requests_per_minute", HERE),)),
    **dict.fromkeys(("tpm", "max_tokens_per_minute"), (("tokens_per_minute", HERE),)),
    **dict.fromkeys(("max_retries", "num_retries"), (("retries", HERE),)),
    **dict.fromkeys(("request_timeout", "timeout_s"), (("timeout", HERE),)),
    **dict.fromkeys(
        ("dtype", "torch_dtype", "bf16", "fp16"), (("precision", HERE + ", bf16 or fp32"),)
    ),
    # What is read, and where it goes.
    **dict.fromkeys(
        ("dataset", "datasets", "dataset_name", "train_dataset"),
        (("data", HERE + ", `[{{file: ...}}]`"), ("prompts", HERE + ", `{{file: ...}}`")),
    ),
    **dict.fromkeys(("path", "data_files"), (("file", HERE),)),
    # An MCP server, as desktop programs name it.
    "args": (("command", "it is part of `{}`, a list: the program, then what it is given"),),
    "max_samples": (("limit", HERE),),
    **dict.fromkeys(
        ("output_dir", "output", "out", "save_dir"),
        (("data", _OUT), ("prompts", _OUT), ("stages", _OUT)),
    ),
    # Training, as transformers, TRL and peft have it.
    "learning_rate": (("lr", HERE),),
    **dict.fromkeys(("num_train_epochs", "num_epochs", "n_epochs"), (("epochs", HERE),)),
    "max_steps": (("steps", HERE),),
    **dict.fromkeys(
        ("per_device_train_batch_size", "train_batch_size", "gradient_accumulation_steps"),
        (("batch.examples", _STEP),),
    ),
    "batch_size": (("batch.examples", _STEP), ("batch", _ROWS)),
    **dict.fromkeys(("warmup_ratio", "warmup_steps"), (("warmup", _STEPS),)),
    "lr_scheduler_type": (("schedule", HERE),),
    "max_grad_norm": (("clip", HERE),),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), (("betas", HERE + ", a list of both"),)),
    "gradient_checkpointing": (("checkpointing", HERE),),
    **dict.fromkeys(("fsdp", "deepspeed"), (("sharding", HERE + ": replicate, or fsdp"),)),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "model_max_length"), (("max_length", HERE),)),
    "chat_template": (("template", HERE + ", a file"),),
    "eval_dataset": (("validation", HERE),),
    "save_steps": (("save_every", HERE),),
    "eval_steps": (("measure_every", HERE),),
    **dict.fromkeys(("use_peft", "peft_config"), (("lora", HERE),)),
    **dict.fromkeys(("r", "lora_r", "lora_rank"), (("rank", HERE),)),
    "lora_alpha": (("alpha", HERE),),
    "lora_dropout": (("dropout", HERE),),
    **dict.fromkeys(("target_modules", "lora_target_modules"), (("targets", HERE),)),
}
