"""Memory, legal cuts and bounds on time, against figures worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gristmill.errors import ConfigError
from gristmill.plan import find_shape, gpu_of, gpus, plan_model, read_shape
from gristmill.plan.layout import LARGEST, layouts, legal_tensors, sets_of, stages
from gristmill.plan.precision import SCHEMES, stored_precision, weight_bytes

N340 = "nemotron-4-340b"
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 128,
}


def gb(count: float) -> int:
    return round(count / 1e9)


class TestTheFamilysLargest:
    """Figures of issue 14, each by the formulas and to the digits that are given there."""

    def test_parameters_and_weights(self) -> None:
        shape = find_shape(N340)
        embeddings = shape.embedding.count + shape.output.count  # type: ignore[union-attr]
        assert round(embeddings / 1e9, 3) == 9.437
        assert round((shape.parameters - embeddings) / 1e9, 3) == 331.592
        assert gb(weight_bytes(shape, SCHEMES["bf16"])) == 682
        assert round(weight_bytes(shape, SCHEMES["fp8"]) / 1e9, 1) == 350.5
        assert gb(weight_bytes(shape, SCHEMES["int4"])) == 190

    def test_the_cache_of_a_token_and_of_a_sequence(self) -> None:
        plan = plan_model(N340)
        assert plan.kv_bytes_per_token == 589_824
        assert plan.kv_bytes_per_sequence / 2**30 == 2.25
        assert plan_model(N340, kv="fp8").kv_bytes_per_token == 589_824 // 2

    @pytest.mark.parametrize(
        ("gpu", "precision", "gpus", "tensor", "pipeline", "left", "sequences", "step_ms"),
        [
            ("h200", "bf16", 8, 8, 1, 333, 138, 17.5),
            ("h100", "bf16", 16, 8, 2, 470, 194, 12.6),
            ("h100", "fp8", 8, 8, 1, 225, 93, 12.7),
        ],
    )
    def test_the_smallest_sets(
        self,
        gpu: str,
        precision: str,
        gpus: int,
        tensor: int,
        pipeline: int,
        left: int,
        sequences: int,
        step_ms: float,
    ) -> None:
        found = plan_model(N340, gpu=gpu, precision=precision).as_json()
        assert (found["gpus"], found["tensor"], found["pipeline"]) == (gpus, tensor, pipeline)
        assert gb(found["left_bytes"]) == left
        assert found["sequences"] == sequences
        assert round(found["floors"]["step_ms"], 1) == step_ms

    def test_tensor_parallelism_16_copies_the_cache_and_holds_97(self) -> None:
        others = plan_model(N340, gpu="h100").as_json()["other_cuts"]
        (wide,) = [y for y in others if y["tensor"] == 16]
        assert (wide["sequences"], wide["kv_copies"]) == (97, 2.0)

    def test_a100_has_no_fp8_arithmetic_and_says_so(self) -> None:
        plan = plan_model(N340, gpu="a100-80gb", precision="fp8")
        assert any("W8A16" in note for note in plan.notes)
        bf16 = plan_model(N340, gpu="a100-80gb")
        per_gpu = plan.floors.prompt_tokens_per_second / plan.layout.gpus
        assert per_gpu == bf16.floors.prompt_tokens_per_second / bf16.layout.gpus
        hopper = plan_model(N340, gpu="h100", precision="fp8")
        assert not any("W8A16" in note for note in hopper.notes)


def test_legal_degrees_divide_the_heads_and_fit_the_kv_heads() -> None:
    shape = find_shape(N340)
    assert legal_tensors(shape, 96) == [96, 48, 32, 24, 16, 8, 4, 2, 1]
    assert legal_tensors(shape, 16) == [16, 8, 4, 2, 1]
    heads = {"num_attention_heads": 12, "num_key_value_heads": 3, "head_dim": 8}
    three = read_shape({**LLAMA, **heads}, "x")
    # 2 and 4 divide the heads, and neither divides 3 nor is a multiple of it.
    assert legal_tensors(three, 12) == [12, 6, 3, 1]


def test_layers_go_to_stages_as_vllm_deals_them() -> None:
    layers = find_shape("deepseek-v3").layers
    assert [len(s) for s in stages(layers, 4)] == [15, 15, 16, 15]
    assert [len(s) for s in stages(layers, 8)] == [7, 7, 8, 8, 8, 8, 8, 7]
    assert [len(s) for s in stages(layers, 1)] == [61]


def test_a_latent_is_copied_and_a_pipeline_avoids_it() -> None:
    plan = plan_model("deepseek-v3", gpu="h100")
    assert plan.kv_bytes_per_token == 61 * (512 + 64) * 2
    assert plan.layout.copies == plan.layout.tensor == 8
    by_tensor = {y.tensor: y.concurrency for y in [plan.layout, *plan.others]}
    assert by_tensor[1] > by_tensor[2] > by_tensor[4] > by_tensor[8] > by_tensor[16]


def test_a_window_bounds_the_cache_and_a_state_does_not_grow() -> None:
    mistral = plan_model("mistral-7b-v0.1")
    assert mistral.kv_bytes_per_sequence == 4096 * mistral.kv_bytes_per_token
    gemma = plan_model("gemma-2-9b")
    assert gemma.kv_bytes_per_sequence == (8192 + 4096) // 2 * gemma.kv_bytes_per_token
    long, short = plan_model("nemotron-h-8b"), plan_model("nemotron-h-8b", context=1)
    state = 24 * (128 * 64 * 128 * 4 + (128 * 64 + 2 * 8 * 128) * 3 * 2)
    assert short.kv_bytes_per_sequence == state + 16_384
    assert long.kv_bytes_per_sequence == state + 8192 * 16_384
    assert long.kv_bytes_per_token == 4 * 2 * 8 * 128 * 2


def test_experts_that_a_token_does_not_go_through_are_not_read_for_it() -> None:
    plan = plan_model("mixtral-8x7b", gpu="h100", count=2)
    engine = plan.engine
    one, many = engine.weight_seconds(1), engine.weight_seconds(1000)
    shape = plan.shape
    assert one * plan.layout.gpus * 3.35e12 == pytest.approx(2 * shape.active, rel=0.001)
    assert many * plan.layout.gpus * 3.35e12 == pytest.approx(
        2 * (shape.parameters - shape.embedding.count), rel=0.001
    )


def test_a_tied_output_is_read_and_counted_once() -> None:
    tied = read_shape({**LLAMA, "tie_word_embeddings": True}, "tied")
    apart = read_shape({**LLAMA, "tie_word_embeddings": False}, "apart")
    assert apart.parameters - tied.parameters == 64_000
    assert apart.active == tied.active


def test_the_bounds_hang_together() -> None:
    for gpu in gpus():
        plan = plan_model("llama-3-8b", gpu=gpu)
        f = plan.floors
        assert f.token_seconds == f.step_seconds * plan.layout.pipeline
        assert f.single_tokens_per_second == 1 / f.token_seconds
        assert f.full_step_seconds > f.step_seconds
        assert f.tokens_per_second <= f.prompt_tokens_per_second * 1.000001


def test_a_smaller_share_and_a_longer_context_leave_less() -> None:
    base = plan_model("llama-3.1-8b", gpu="h100", context=4096)
    assert plan_model("llama-3.1-8b", context=8192).layout.concurrency == pytest.approx(
        base.layout.concurrency / 2
    )
    assert plan_model("llama-3.1-8b", context=4096, share=0.5).layout.left < base.layout.left


def test_every_gpu_has_a_source_and_sets_of_whole_servers() -> None:
    assert {"h100", "h100-pcie", "h100-nvl", "h200", "a100-40gb", "a100-80gb", "l40s", "b200"} | {
        "gb200",
        "mi300x",
        "rtx-4090",
        "rtx-5090",
    } <= set(gpus())
    for gpu in gpus().values():
        assert gpu.source and gpu.memory > 0 and gpu.bandwidth > 0 and gpu.bf16 > 0
        assert gpu.fp8 is None or gpu.fp8 > gpu.bf16
        assert all(n <= gpu.server or n % gpu.server == 0 for n in sets_of(gpu))
        assert max(sets_of(gpu)) <= LARGEST
    assert gpu_of("A100 80GB").key == gpu_of("a100").key == "a100-80gb"


def test_best_first_and_only_legal_ones() -> None:
    shape, scheme = find_shape("qwen2-7b"), SCHEMES["bf16"]
    found = layouts(shape, scheme, gpu_of("l40s"), 8, context=4096)
    assert [y.tensor for y in found] == [4, 2, 1]  # 28 heads
    assert all(y.gpus == 8 for y in found)


@pytest.mark.parametrize(
    ("quantized", "stored"),
    [
        (None, "bf16"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
            },
            "int4",
        ),
        ({"load_in_4bit": True, "quant_method": "bitsandbytes"}, "int4"),
        ("nonsense", "bf16"),
    ],
)
def test_how_a_checkpoint_is_stored(quantized: Any, stored: str) -> None:
    assert stored_precision({"quantization_config": quantized}) == stored


def test_a_stored_precision_is_planned_with_and_asks_for_no_flag() -> None:
    plan = plan_model("gpt-oss-20b")
    assert plan.scheme.name == "mxfp4"
    assert "--quantization" not in plan.words and "--dtype" not in plan.words
    # 4.25 bits for the experts, BF16 for the rest: the checkpoint's own size.
    assert weight_bytes(plan.shape, plan.scheme) / 1e9 == pytest.approx(13.76, abs=0.1)


def test_the_command_serves_the_layout() -> None:
    line = plan_model("nemotron-4-340b-instruct", gpu="h100").as_json()["command"]
    assert line == (
        "vllm serve nvidia/Nemotron-4-340B-Instruct --tensor-parallel-size 8 "
        "--pipeline-parallel-size 2 --distributed-executor-backend ray --max-model-len 4096 "
        "--dtype bfloat16 --gpu-memory-utilization 0.9"
    )
    reward = plan_model("nemotron-4-340b-reward", gpu="h100", precision="fp8", kv="fp8").words
    assert reward[3:5] == ["--runner", "pooling"]
    assert reward[reward.index("--quantization") + 1] == "fp8_per_tensor"
    assert reward[reward.index("--kv-cache-dtype") + 1] == "fp8"


def test_json_is_json_and_has_what_programs_ask_for() -> None:
    found = json.loads(json.dumps(plan_model("qwen3-30b-a3b").as_json()))
    assert {
        "parameters",
        "weight_bytes",
        "kv_bytes_per_token",
        "gpus",
        "tensor",
        "pipeline",
        "sequences",
        "floors",
    } <= set(found)
    assert found["parameters"] == sum(found["parameters_by_part"].values())


class TestWhatIsRefused:
    def test_a_wrong_name_suggests_near_ones(self) -> None:
        with pytest.raises(ConfigError, match=r"did you mean nemotron-4-340b, "):
            plan_model("nemotron-4-350b")
        with pytest.raises(ConfigError, match=r"did you mean h100, "):
            plan_model(N340, gpu="h1000")
        with pytest.raises(ConfigError, match=r"did you mean fp8\?"):
            plan_model(N340, precision="fp9")

    def test_too_few_gpus_say_what_would_fit(self) -> None:
        with pytest.raises(
            ConfigError, match=r"682\.1 GB.*4 x h100.*it fits on 16 x h100"
        ) as error:
            plan_model(N340, count=4)
        assert "8 x h100 in fp8" in str(error.value)
        with pytest.raises(ConfigError, match=r"1 x rtx-4090.*fits on \d+ x rtx-4090"):
            plan_model("llama-3.1-405b", gpu="rtx-4090", count=1)

    def test_a_model_that_fits_nowhere(self, config_file: Any) -> None:
        huge = {**LLAMA, "hidden_size": 2**20, "intermediate_size": 2**24, "num_attention_heads": 1}
        path = config_file({**huge, "num_key_value_heads": 1})
        with pytest.raises(ConfigError, match="any number of h100"):
            plan_model(path)

    @pytest.mark.parametrize("context", [0, 5000, -1])
    def test_a_context_that_the_model_has_not(self, context: int) -> None:
        with pytest.raises(ConfigError, match="1 to 4,096 tokens"):
            plan_model(N340, context=context)

    @pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
    def test_a_share_that_is_none(self, share: float) -> None:
        with pytest.raises(ConfigError, match="--memory-share"):
            plan_model(N340, share=share)

    def test_a_cache_in_what_it_cannot_be(self) -> None:
        with pytest.raises(ConfigError, match="bf16, fp8"):
            plan_model(N340, kv="int4")
