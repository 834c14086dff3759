"""The judge of code: what passes, what fails, what is no verdict, and what no cheat gets past."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import needs_sandbox, processes_with
from coded import ADD, fenced, judged
from gristmill.errors import BackendError, ConfigError
from gristmill.judges._code import client, wire
from gristmill.judges.code import Code, code_in, pairs_in
from gristmill.parts import open_part
from gristmill.records import Message, Prompt, Response
from gristmill.sandbox import check, find_language


def reward(code: str, tests: str, **options: Any) -> float | None:
    return judged(fenced(code), tests, **options).reward


@needs_sandbox
class TestPassing:
    def test_all_asserts_pass(self) -> None:
        verdict = judged(fenced("def add(a, b):\n    return a + b"), ADD)
        assert (verdict.reward, verdict.detail) == (1, "3 of 3 tests passed")
        assert (verdict.judge, verdict.model) == ("code", "python")

    def test_the_first_that_fails_is_told(self) -> None:
        verdict = judged(fenced("def add(a, b): return 3"), ADD)
        assert verdict.reward == 0
        assert verdict.detail == ("1 of 3 tests passed; assert add(2, 2) == 4: AssertionError")

    def test_a_share_may_be_the_reward(self) -> None:
        assert reward("def add(a, b): return 3", ADD, partial=True) == pytest.approx(1 / 3)

    @pytest.mark.parametrize(
        "tests",
        [
            "def check(candidate):\n    assert candidate(1, 2) == 3",
            "def check(f):\n    assert f(1, 2) == 3\ncheck(add)",
            "def test_add():\n    assert add(1, 2) == 3",
            "from solution import add\ndef test_add():\n    assert add(1, 2) == 3",
            "import solution\nassert solution.add(1, 2) == 3",
            "from solution import *\nassert add(1, 2) == 3",
            "import pytest\n@pytest.mark.parametrize('a,b', [(1, 2), (3, 4)])\n"
            "def test_add(a, b):\n    assert add(a, b) == pytest.approx(a + b)",
            "import unittest\nclass T(unittest.TestCase):\n    def test_add(self):\n"
            "        self.assertEqual(add(1, 2), 3)\nif __name__ == '__main__':\n"
            "    unittest.main()",
            "class TestAdd:\n    def setup_method(self): self.n = 1\n"
            "    def test_it(self): assert add(self.n, 2) == 3",
            "for a in range(99):\n    assert add(a, 1) == a + 1",
            "async def test_add():\n    assert add(1, 2) == 3",
        ],
    )
    def test_tests_of_every_form_pass_and_fail(self, tests: str) -> None:
        assert reward("def add(a, b):\n    return a + b", tests) == 1
        assert reward("def add(a, b):\n    return a - b - 1", tests) == 0
        assert reward("def sub(a, b):\n    return a - b", tests) == 0

    def test_classes_keep_their_state_in_the_answers_process(self) -> None:
        code = """
class Stack:
    def __init__(self, items=()): self.items = list(items)
    def push(self, item): self.items.append(item); return self
    def pop(self):
        if not self.items: raise EmptyError("nothing there", code=7)
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, i): return self.items[i]
    def __eq__(self, other): return self.items == other.items
    def __add__(self, other): return Stack(self.items + other.items)
    def __enter__(self): return self
    def __exit__(self, *_): self.items.clear()
class EmptyError(ValueError):
    def __init__(self, text, code): super().__init__(text); self.code = code
"""
        tests = """
s = Stack()
assert isinstance(s.push(1), Stack) and not isinstance([], Stack)
s.push((2, {3}))
assert len(s) == 2 and list(s) == [1, (2, {3})] and 1 in s and 5 not in s and s[0] == 1
assert s.pop() == (2, {3})
assert s + Stack([5]) == Stack([1, 5])
assert s != Stack([4])
with s as same:
    assert same is s
try: s.pop(); raise SystemExit
except EmptyError as error: assert (str(error), error.code) == ("nothing there", 7)
s.size = 5
assert s.size == 5 and hasattr(s, "push") and not hasattr(s, "pull")
"""
        verdict = judged(fenced(code), tests)
        assert verdict.reward == 1, verdict.detail

    @pytest.mark.parametrize(
        ("code", "tests"),
        [
            ("def f(x):\n    x.sort()", "a = [3, 1]\nf(a)\nassert a == [1, 3]"),
            ("def f(x):\n    x[0][0] = 9\n    return x",
             "a = [[1]]\nassert f(a) is a\nassert a == [[9]]"),
            ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]"),
            ("def f(n):\n    return lambda x: x + n", "assert f(1)(2) == 3"),
            ("def f(g, x):\n    return g(g(x))", "assert f(lambda x: x + 1, 1) == 3"),
            ("def f(g):\n    return g", "g = lambda: 1\nassert f(g) is g"),
            ("async def f():\n    return 1", "import asyncio\nassert asyncio.run(f()) == 1"),
            ("def f(x):\n    return int(x)", "import pytest\ndef test_f():\n"
             "    with pytest.raises(ValueError, match='invalid'):\n        f('x')"),
            ("def f():\n    print('hi')", "import io, contextlib\no = io.StringIO()\n"
             "with contextlib.redirect_stdout(o): f()\nassert o.getvalue() == 'hi\\n'"),
            ("def sum(a, b):\n    return a - b", "assert sum(3, 1) == 2"),
            ("import math\ndef f(): return math.pi", "assert math.isclose(f(), 3.14, abs_tol=.01)"),
            ("def f(): return 2 ** 20000", "assert f() == 2 ** 20000"),
            ("def f(): return float('nan'), -0.0, 1e308",
             "a, b, c = f()\nassert a != a and str(b) == '-0.0' and c == 1e308"),
            ("def f(): return '\\ud800', b'\\x00', 1j, range(3), {1: {2}}, frozenset([(3,)])",
             "assert f() == ('\\ud800', b'\\x00', 1j, range(3), {1: {2}}, frozenset([(3,)]))"),
            ("from decimal import Decimal\nfrom datetime import date\nfrom fractions import "
             "Fraction\ndef f(): return Decimal('1.5'), date(2024, 1, 2), Fraction(1, 3)",
             "from decimal import Decimal\nfrom datetime import date\nfrom fractions import "
             "Fraction\nassert f() == (Decimal('1.5'), date(2024, 1, 2), Fraction(1, 3))"),
            ("from collections import *\nP = namedtuple('P', 'x y')\n"
             "def f(): return P(1, 2), Counter('aa'), deque([1]), defaultdict(list, {1: [2]})",
             "p, c, d, e = f()\nassert p == (1, 2) and p.x == 1 and c['a'] == 2\n"
             "assert list(d) == [1] and e == {1: [2]}"),
            ("from enum import Enum\nclass C(Enum):\n    R = 1\ndef f(): return C.R",
             "assert f() == C.R and f() is C.R and f().value == 1"),
            ("class L(list): pass\ndef f(): return L([1, 2])", "assert f() == [1, 2]\n"
             "assert f() != [1, 3]\nassert f()[1] == 2 and f()[:1] == [1]"),
            ("def f(it): return list(it)", "assert f(iter([1, 2])) == [1, 2]\n"
             "assert f(map(str, [1])) == ['1'] and f({1: 2}.keys()) == [1]"),
            ("def f(g, x): return g(x)", "assert f(len, 'abc') == 3 and f(int, '7') == 7"),
        ],
    )  # fmt: skip
    def test_values_of_every_kind_cross(self, code: str, tests: str) -> None:
        verdict = judged(fenced(code), tests)
        assert verdict.reward == 1, verdict.detail


@needs_sandbox
class TestNoVerdict:
    def test_without_tests_there_is_nothing_to_say(self) -> None:
        assert judged("x", None).reward is None

    @pytest.mark.parametrize(
        ("tests", "why"),
        [
            ("assert f( == 1", "cannot be parsed"),
            ("import numpy as np\nassert f() == np.array(1)", "not in the standard library: numpy"),
            ("x = 1", "run nothing"),
            ("print(f())", "no assertion"),
            ("class N: pass\nassert f(N())", "hand over an object of type 'N'"),
            ("import os\nos._exit(0)\nassert f()", "without a count"),
        ],
    )
    def test_tests_that_can_judge_nobody_are_a_failure(self, tests: str, why: str) -> None:
        with pytest.raises(BackendError, match=why) as error:
            judged(fenced("def f(*a): return 1"), tests)
        assert error.value.kind == "bad_tests"

    def test_without_a_sandbox_it_does_not_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        check.cache_clear()
        with pytest.raises(ConfigError, match="never without one"):
            Code().open()


PASS = json.dumps({"passed": 3, "total": 3, "failures": [], "gone": "", "unsendable": ""})

CHEATS = {
    "ends the process when loaded": "import os\nos._exit(0)",
    "exits when loaded": "import sys\nsys.exit(0)",
    "ends the process when called": "import os\ndef add(a, b): os._exit(0)",
    "exits when called": "def add(a, b): raise SystemExit(0)",
    "interrupts": "def add(a, b): raise KeyboardInterrupt",
    "prints a pass": f"import os\nprint({PASS!r}, flush=True)\nos.write(1, {PASS.encode()!r})\n"
    "def add(a, b): print('3 passed'); return 0",
    "prints a pass and ends": f"import os\nos.write(1, {PASS.encode()!r})\nos._exit(0)",
    "writes a pass to every descriptor": f"import os\ndef add(a, b):\n    for fd in range(99):\n"
    f"        try: os.write(fd, {PASS.encode()!r})\n        except OSError: pass",
    "equals everything": "class A:\n    def __eq__(self, other): return True\n"
    "    def __ne__(self, other): return False\n    __hash__ = None\n"
    "def add(a, b): return A()",
    "equals everything as an int": "class A(int):\n    def __eq__(self, other): return True\n"
    "    __hash__ = int.__hash__\ndef add(a, b): return A(99)",
    "calls itself int": "class int:\n    def __eq__(self, other): return True\n"
    "int.__module__ = 'builtins'\ndef add(a, b): return int()",
    "patches the errors": "import builtins\nclass E(Exception): pass\n"
    "builtins.AssertionError = E\ndef add(a, b): return 0",
    "raises what tests skip on": "import unittest\ndef add(a, b): raise unittest.SkipTest('no')",
    "replaces what compares": "import builtins, operator\nbuiltins.all = lambda *a: True\n"
    "operator.eq = lambda *a: True\ndef add(a, b): return 0",
    "replaces the tests' names": "def check(f): pass\ndef all(x): return True\n"
    "AssertionError = Exception\ndef add(a, b): return 0",
    "ends well at exit": f"import atexit, os\natexit.register(os.write, 1, {PASS.encode()!r})\n"
    "def add(a, b): return 0",
    "looks through frames": "import sys, gc\ndef add(a, b):\n    frame = sys._getframe()\n"
    "    while frame:\n        for v in frame.f_locals.values():\n"
    "            if isinstance(v, dict) and 'tests' in v: return 'seen'\n"
    "        frame = frame.f_back\n"
    "    for o in gc.get_objects():\n"
    "        if type(o).__name__ == 'Tally': o.passed = 3; o.failures.clear()\n    return 0",
    "reads the tests from files": "import glob, re\ndef add(a, b):\n"
    "    for path in glob.glob('/box/**/*', recursive=True) + glob.glob('/proc/*/cmdline') + "
    "glob.glob('/proc/*/environ') + glob.glob('/proc/*/fd/*') + glob.glob('/tmp/*'):\n"
    "        try: text = open(path, 'rb').read(99999)\n        except OSError: continue\n"
    "        m = re.search(rb'add.%d, %d. == (.)' % (a, b), text)\n"
    "        if m: return int(m[1])\n",
    "kills all": "import os\ndef add(a, b):\n    os.kill(-1, 9)",
    "kills the parents": "import os\nfor pid in (os.getppid(), 1):\n    os.kill(pid, 9)\n"
    "os.kill(os.getpid(), 9)",
    "forks a child that prints": f"import os\nif os.fork() == 0:\n"
    f"    os.write(1, {PASS.encode()!r}); os._exit(0)\ndef add(a, b): return 0",
    "answers out of turn": "import os, json\n"
    "def send(m):\n    d = json.dumps(m).encode()\n    os.write(3, len(d).to_bytes(4,'big') + d)\n"
    "for n in range(99): send({'v': True})\ndef add(a, b): return 0",
    "asks for more than it may": "import os, json\n"
    "d = json.dumps({'op': 'load', 'source': ''}).encode()\n"
    "for fd in range(9):\n    try: os.write(fd, len(d).to_bytes(4,'big') + d)\n"
    "    except OSError: pass\ndef add(a, b): return 0",
    "sends noise": "import os\ndef add(a, b):\n    for fd in range(3, 9):\n"
    "        try: os.write(fd, b'\\0\\0\\0\\5{[}]!' * 9)\n        except OSError: pass",
    "sends a length without end": "import os\ndef add(a, b):\n    for fd in range(3, 9):\n"
    "        try: os.write(fd, b'\\xff' * 64)\n        except OSError: pass",
    "sends what is deep": "import os\nd = b'[' * 300000 + b']' * 300000\ndef add(a, b):\n"
    "    os.write(3, len(d).to_bytes(4, 'big')); os.write(3, d)",
    "returns what is huge": "def add(a, b): return 'x' * (1 << 28)",
    "returns much": "def add(a, b): return [[]] * (1 << 22)",
    "returns what has no end": "def add(a, b):\n    a = []; a.append(a); return a",
    "recurses": "def add(a, b): return add(a, b)",
    "recurses without a limit": "import sys\nsys.setrecursionlimit(10**9)\n"
    "def add(a, b): return add(a, b)",
    "overflows the stack": "import ctypes\nctypes.string_at(0)\ndef add(a, b): return 0",
    "takes all memory": "def add(a, b):\n    x = []\n    while True: x.append(bytearray(1 << 24))",
    "prints without end": "import os\ndef add(a, b):\n    while True: os.write(1, b'x' * 9999)",
    "forks without end": "import os\ndef add(a, b):\n    while True:\n"
    "        try: os.fork()\n        except OSError: pass",
    "loops without end": "def add(a, b):\n    while True: pass",
    "ignores signals": "import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
    "def add(a, b): time.sleep(99)",
    "leaves a daemon": "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
    "    if os.fork() == 0: os.execv(sys.executable, [sys.executable, '-c', "
    "'import time; time.sleep(99)', 'daemon-53ab'])\n    os._exit(0)\ndef add(a, b): return 0",
    "fills the disk": "def add(a, b):\n    with open('f', 'wb') as f:\n"
    "        while True: f.write(bytes(1 << 20))",
    "hides in a metaclass": "class M(type):\n    def __instancecheck__(c, o): return True\n"
    "    def __eq__(c, o): return True\n    __hash__ = type.__hash__\n"
    "class A(metaclass=M): pass\ndef add(a, b): return A",
    "pretends by its hash": "class A:\n    def __init__(self, v): pass\n"
    "    def __hash__(self): return 3\n    def __eq__(self, o): return True\n"
    "    def __bool__(self): return True\n    def __int__(self): return 3\n"
    "def add(a, b): return A(a)",
}


@needs_sandbox
class TestCheating:
    @pytest.mark.parametrize("cheat", CHEATS)
    def test_an_answer_fails_that(self, cheat: str) -> None:
        verdict = judged(fenced(CHEATS[cheat]), ADD, seconds=1, memory_mb=256)
        assert verdict.reward == 0, verdict.detail
        assert not processes_with("daemon-53ab")

    @pytest.mark.parametrize("cheat", ["equals everything", "exits when called", "interrupts"])
    @pytest.mark.parametrize(
        "tests",
        [
            "def check(candidate):\n    assert candidate(1, 2) == 3",
            "import unittest\nclass T(unittest.TestCase):\n    def test_add(self):\n"
            "        self.assertEqual(add(1, 2), 3)",
            "def test_add():\n    assert add(1, 2) in [3]",
            "assert [add(1, 2)] == [3]",
            "assert {'a': add(1, 2)} == {'a': 3}",
            "assert 3 == add(1, 2)",
            "assert not add(1, 2) != 3",
            "try:\n    assert add(1, 2) == 3\nexcept BaseException:\n    raise SystemExit(0)",
        ],
    )
    def test_no_form_of_test_lets_it_pass(self, cheat: str, tests: str) -> None:
        assert reward(CHEATS[cheat], tests) == 0

    @pytest.mark.parametrize(
        "tests",
        [
            "from solution import add\nassert all(add(a, 1) == a + 1 for a in range(3))",
            "import solution\nassert all(solution.add(a, 1) == a + 1 for a in range(3))",
            "def check(candidate):\n    assert all(candidate(a, 1) == a + 1 for a in range(3))",
            "assert all(add(a, 1) == a + 1 for a in range(3))",
        ],
    )
    def test_no_built_in_function_of_the_tests_is_the_answers(self, tests: str) -> None:
        code = "def all(x): return True\ndef range(n): return []\ndef add(a, b): return 0"
        assert reward(code, tests) == 0
        assert reward("def add(a, b): return a + b", tests) == 1

    def test_tests_that_catch_everything_do_not_hide_that_the_answer_is_gone(self) -> None:
        tests = "try:\n    add(1, 2)\nexcept BaseException:\n    pass\nassert True"
        assert reward(CHEATS["ends the process when called"], tests) == 0

    def test_an_object_that_contains_everything_gets_no_verdict_of_right(self) -> None:
        code = "class A:\n    def __contains__(self, x): return True\ndef f(): return A()"
        with pytest.raises(BackendError, match="cannot be trusted"):
            reward(code, "assert 3 in f()")

    def test_what_ended_it_is_told(self) -> None:
        told = {
            "loops without end": "took more than 1 s",
            "prints without end": "printed more than",
            "ends the process when called": "ended with status 0",
            "overflows the stack": "ended with status 139",
        }
        for cheat, text in told.items():
            assert text in judged(fenced(CHEATS[cheat]), ADD, seconds=1).detail


PAIRS = json.dumps([{"input": "1 2\n", "output": "3"}, {"input": "5 5\n", "output": "10\n"}])


@needs_sandbox
class TestPairs:
    def test_each_input_gives_its_output(self) -> None:
        code = "a, b = map(int, input().split())\nprint(a + b, ' ')"
        assert reward(code, PAIRS) == 1
        verdict = judged(fenced("input()\nprint(3)"), PAIRS)
        assert verdict.reward == 0
        assert verdict.detail == ("1 of 2 tests passed; test 2 of 2: printed '3', expected '10'")

    def test_a_share_may_be_the_reward(self) -> None:
        assert reward("input()\nprint(10)", PAIRS, partial=True) == 0.5

    def test_what_prints_right_and_then_fails_is_wrong(self) -> None:
        code = "a, b = map(int, input().split())\nprint(a + b, flush=True)\nraise SystemExit(2)"
        verdict = judged(fenced(code), PAIRS)
        assert verdict.reward == 0
        assert "ended with status 2" in verdict.detail

    @pytest.mark.parametrize(
        ("language", "code"),
        [
            ("javascript", "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ')"
             ".map(Number); console.log(a + b)"),
            ("bash", "read a b; echo $((a + b))"),
            ("perl", "my ($a, $b) = split ' ', <STDIN>; print $a + $b;"),
        ],
    )  # fmt: skip
    def test_the_prompts_language_decides(self, language: str, code: str) -> None:
        answer = fenced("print('no')") + fenced(code, language)
        try:
            verdict = judged(answer, PAIRS, language=language)
        except BackendError as error:
            pytest.skip(str(error))
        assert verdict.reward == 1, verdict.detail
        assert verdict.model == language

    def test_a_natural_language_is_none_of_them(self) -> None:
        code = "a, b = map(int, input().split())\nprint(a + b)"
        assert judged(fenced(code), PAIRS, language="pl").reward == 1


def test_an_unknown_language_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"cobol.*known: python, javascript"):
        open_part("gristmill.judges", {"code": {"language": "cobol"}}, "judges[0]")


@pytest.mark.parametrize(
    "tests", ["[1, 2]", "[{}]", '[{"input": 1, "output": "x"}]', "[", "[[]]*9"]
)
def test_what_only_looks_like_pairs_is_a_program(tests: str) -> None:
    assert pairs_in(tests) == []


@given(st.text(alphabet="`~ \n\tpython=ab"))
def test_any_text_has_its_blocks(text: str) -> None:
    for block in code_in(text, find_language("python"))[0]:
        assert all(line in text for line in block.splitlines())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["t", "v", "int", "tuple", "dict", "type", "given", "yours", "error", "ref"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.fixed_dictionaries({"t": st.sampled_from(
        ["int", "complex", "bytes", "range", "type", "tuple", "set", "dict", "named", "Decimal",
         "date", "given", "yours", "error", "generator", "ref", "mine", "constant", "?"]
    ), "v": inner}),
    max_leaves=8,
)  # fmt: skip


@given(JUNK)
def test_whatever_the_answers_process_sends_is_a_value_or_broken(junk: Any) -> None:
    found = client.Client(-1)
    try:
        with client._checked():
            found.decode(junk)
    except wire.Broken:
        pass
    finally:
        wire.Broken.first = ""


@needs_sandbox
@pytest.mark.parametrize("name", ["human_eval", "mbpp"])
def test_the_solutions_of_public_benchmarks_pass_their_tests(name: str, shared_data: Path) -> None:
    rows: list[tuple[str, str, str]] = []
    if name == "human_eval":
        for line in (shared_data / name / "HumanEval.jsonl").read_text().splitlines()[::2]:
            row = json.loads(line)
            rows.append((row["prompt"] + row["canonical_solution"], row["test"], row["prompt"]))
    else:
        for line in (shared_data / name / "mbpp.jsonl").read_text().splitlines()[::12]:
            row = json.loads(line)
            tests = "\n".join([row["test_setup_code"], *row["test_list"]])
            rows.append((row["code"], tests, ""))

    async def work() -> list[float | None]:
        judge = Code(seconds=30)
        async with judge.open() as backend:
            return [
                v.reward
                for v in await asyncio.gather(
                    *(
                        judge.judge(
                            backend,
                            Prompt("p", (Message("user", asked),), tests=tests),
                            Response(fenced(code), "m"),
                        )
                        for code, tests, asked in rows
                    )
                )
            ]

    assert asyncio.run(work()) == [1.0] * len(rows)
