"""What `benchmarks/real_flywheel.py` hands to the commands: prompts of two sides, and a config."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from gristmill.constraints import from_json
from gristmill.flywheel import load

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "real_flywheel.py"


def test_its_prompts_hold_a_constraint_and_no_topic_is_on_both_sides(tmp_path: Path) -> None:
    spec = spec_from_file_location("real_flywheel", BENCHMARK)
    assert spec is not None and spec.loader is not None
    real = module_from_spec(spec)
    spec.loader.exec_module(real)
    file = real.write("tiny:instruct", tmp_path, 300, 150)
    assert [arm.name for arm in load(file).arms] == ["reward", "random"]
    sides = []
    for name, count in (("train", 300), ("held-out", 150)):
        rows = [json.loads(x) for x in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert len(rows) == count
        for row in rows:
            (constraint,) = row["constraints"]
            assert from_json(json.dumps(constraint)) and next(iter(constraint)) in real.KINDS
        seeds = {row["lineage"][0]["text"] for row in rows}
        topics = real.listed(real.TOPICS)
        sides.append({t for t in topics for f in real.FORMS if f.format(t) in seeds})
    assert not sides[0] & sides[1]
    assert len(sides[1]) == real.HELD_OUT
