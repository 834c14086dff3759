"""Tests that are programs in the answer's own language, and what compilers are needed for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import needs_sandbox
from coded import fenced, judged
from gristmill.errors import BackendError, ConfigError
from gristmill.judges._programs import forms, scan, whole
from gristmill.records import Verdict
from gristmill.sandbox import find_language, interpreter, languages

HEADS = {
    "cpp": "/*\nAdd 'em.\n*/\n#include <vector>\nusing namespace std;\n"
    "int twice(int a) {\n    return 2 * a;\n}\nint add(vector<int> xs) {",
    "go": 'import (\n    "strings"\n)\n\nfunc twice(a int) int {\n    return 2 * a\n}\n'
    "// Add 'em.\nfunc add(xs []int) int {",
    "java": "import java.util.*;\n\nclass Solution {\n    static int twice(int a) {\n"
    "        return 2 * a;\n    }\n    /** Add 'em. */\n    public int add(List<Integer> xs) {",
    "rust": "fn main(){}\nuse rand::Rng;\nuse std::collections::HashMap;\n"
    "fn twice(a: i32) -> i32 {\n    2 * a\n}\n/// Add 'em.\nfn add(xs: Vec<i32>) -> i32 {",
    "javascript": "/* Add 'em.\n   const is the word. */\nfunction twice(a) {\n  return 2 * a;\n}\n"
    "const add = (xs) => {",
    "typescript": "function twice(a: number): number {\n  return 2 * a;\n}\n"
    "const add = (xs: number[]): number => {",
}
BODIES = {
    "cpp": "    int s = 0;\n    for (int x : xs) s += x;\n    return s;\n}",
    "go": "    s := 0\n    for _, x := range xs {\n        s += x\n    }\n    return s\n}",
    "java": "        int s = 0;\n        for (int x : xs) s += x;\n        return s;\n    }\n}",
    "rust": "    let mut s = 0;\n    for x in xs.iter() { s += x; }\n    s\n}",
    "javascript": "  let s = 0;\n  for (const x of xs) s += x;\n  return s;\n}",
    "typescript": "  let s = 0;\n  for (const x of xs) s += x;\n  return s;\n}",
}
TESTS = {
    "cpp": "#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (add({1, 2}) == 3);\n"
    "    assert (twice(add({})) == 0);\n}",
    "go": 'package main\n\nimport (\n    "testing"\n)\nfunc TestAdd(t *testing.T) {\n'
    "    if add([]int{1, 2}) != 3 || twice(add([]int{})) != 0 {\n"
    '        t.Error("wrong")\n    }\n}',
    "java": "public class Main {\n    public static void main(String[] args) {\n"
    "        Solution s = new Solution();\n        List<Boolean> correct = Arrays.asList(\n"
    "            s.add(Arrays.asList(1, 2)) == 3, s.add(Arrays.asList()) == 0);\n"
    "        if (correct.contains(false)) {\n            throw new AssertionError();\n        }\n"
    "    }\n}",
    "rust": "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_add() {\n"
    "        assert_eq!(add(vec![1, 2]), 3);\n        assert_eq!(twice(add(vec![])), 0);\n    }\n}",
    "javascript": "const testAdd = () => {\n  console.assert(add([1, 2]) === 3)\n"
    "  console.assert(twice(add([])) === 0)\n}\n\ntestAdd()",
    "typescript": "declare var require: any;\nconst assert = require('node:assert');\n"
    "assert.deepEqual(add([1, 2]), 3);\nassert.deepEqual(twice(add([])), 0);",
}
COMPILED = sorted(TESTS)


def verdict_on(language: str, answer: str, tests: str | None = None, **options: object) -> Verdict:
    try:
        interpreter(find_language(language))
    except ConfigError as error:
        pytest.skip(str(error))
    asked = f"Write a function that adds, don't explain.\n\n{HEADS[language]}"
    return judged(
        answer, tests or TESTS[language], asked=asked, language=language, seconds=30, **options
    )


def wrong(code: str) -> str:
    return code.replace("+=", "-=")


@needs_sandbox
@pytest.mark.parametrize("language", COMPILED)
class TestPrograms:
    def test_a_body_alone_is_the_rest_of_the_prompt(self, language: str) -> None:
        code = f"{HEADS[language]}\n{BODIES[language]}"
        verdict = verdict_on(language, BODIES[language])
        assert verdict.reward == 1, verdict.detail
        assert verdict.model == language
        # To compile it takes longer than all others.
        if language != "typescript":
            assert verdict_on(language, fenced(wrong(code), language)).reward == 0

    def test_a_function_alone_finds_what_the_prompt_gives(self, language: str) -> None:
        head = HEADS[language].rpartition("\n")[2]
        body = BODIES[language].removesuffix("\n}") if language == "java" else BODIES[language]
        answer = f"Sure, that's it:\n\n{head}\n{body}\n\nIt isn't slow."
        verdict = verdict_on(language, answer)
        assert verdict.reward == 1, verdict.detail


@needs_sandbox
class TestEnds:
    @pytest.mark.parametrize(
        ("language", "cheat"),
        [
            ("cpp", "#include <cstdlib>\nint twice(int a) { std::exit(0); }\n"),
            ("java", "class Solution { int add(Object o) { System.exit(0); return 3; } }"),
            ("go", 'import "os"\nfunc add(xs []int) int { os.Exit(0); return 3 }\n'),
            ("rust", "fn add(xs: Vec<i32>) -> i32 { std::process::exit(0) }"),
            ("javascript", "function add() { process.exit(0); }"),
            ("javascript", "console.assert = () => {}; function add() { return 1; }"),
        ],
    )
    def test_a_program_that_ends_early_does_not_pass(self, language: str, cheat: str) -> None:
        answer = cheat
        if language == "cpp":
            answer += HEADS["cpp"].rpartition("\n")[2] + "return twice(1); }"
        assert verdict_on(language, fenced(answer, language)).reward == 0

    def test_an_example_of_use_is_left_out(self) -> None:
        code = f"{HEADS['cpp']}\n{BODIES['cpp']}\nint main() {{ return add({{1}}); }}"
        assert verdict_on("cpp", fenced(code, "cpp")).reward == 1
        js = f"{HEADS['javascript']}\n{BODIES['javascript']}"
        assert verdict_on("javascript", fenced(js, "js") + fenced("add(3)", "js")).reward == 1
        assert verdict_on("javascript", fenced(js, "js") + fenced(wrong(js), "js")).reward == 0
        body = fenced(BODIES["javascript"], "js") + fenced("console.log(add([1]))", "js")
        assert verdict_on("javascript", body).reward == 1
        helper, rest = js.split("const add")
        told = fenced("const fs = require('fs')", "js") + fenced(helper, "js")
        assert verdict_on("javascript", told + fenced(f"const add{rest}", "js")).reward == 1

    def test_what_does_not_compile_is_told(self) -> None:
        verdict = verdict_on("cpp", fenced("int add(vector<int> xs) { return 3 }", "cpp"))
        assert verdict.reward == 0
        assert "it does not compile: main.cpp:" in verdict.detail

    def test_a_missing_import_is_added_but_where_it_is_strict(self) -> None:
        code = "int twice(int a) { return 2 * a; }\nint add(vector<int> xs) {" + BODIES["cpp"]
        verdict = verdict_on("cpp", fenced(code, "cpp"))
        assert verdict.reward == 1
        assert "with the standard imports, which it left out" in verdict.detail
        assert verdict_on("cpp", fenced(code, "cpp"), strict=True).reward == 0

    def test_tests_that_need_what_is_not_here_judge_nobody(self) -> None:
        tests = f"#include <nowhere/found.hpp>\n{TESTS['cpp']}"
        with pytest.raises(BackendError, match=r"need 'nowhere/found\.hpp', which is not here"):
            verdict_on("cpp", f"{HEADS['cpp']}\n{BODIES['cpp']}", tests)

    def test_tests_without_a_main_judge_nobody(self) -> None:
        with pytest.raises(BackendError, match="with its `main`"):
            verdict_on("cpp", BODIES["cpp"], "assert(add({1}) == 1);")

    @pytest.mark.parametrize(
        ("language", "code"),
        [
            ("cpp", "#include <iostream>\nint main() { int a, b; std::cin >> a >> b;"
             " std::cout << a + b << std::endl; }"),
            ("java", "import java.util.*;\npublic class Sum { public static void main(String[] a) {"
             " Scanner s = new Scanner(System.in);"
             " System.out.println(s.nextInt() + s.nextInt()); } }"),
            ("go", "package main\nfunc main() { var a, b int; fmt.Scan(&a, &b);"
             " fmt.Println(a + b) }"),
            ("rust", "use std::io;\nfn main() { let mut t = String::new();"
             " io::stdin().read_line(&mut t).unwrap(); let s: i32 ="
             " t.split_whitespace().map(|x| x.parse::<i32>().unwrap()).sum::<i32>();"
             " println!(\"{}\", 0 + s); }"),
            ("typescript", "const t: string = require('fs').readFileSync(0, 'utf8');\n"
             "console.log(t.trim().split(' ').map(Number).reduce((a, b) => a + b));"),
        ],
    )  # fmt: skip
    def test_pairs_of_input_and_output(self, language: str, code: str) -> None:
        pairs = json.dumps([{"input": "1 2\n", "output": "3"}, {"input": "5 5\n", "output": "10"}])
        verdict = verdict_on(language, fenced(code, language), pairs)
        assert (verdict.reward, verdict.detail) == (1, "2 of 2 tests passed")
        assert verdict_on(language, fenced(code.replace("+", "-"), language), pairs).reward == 0

    @pytest.mark.parametrize(
        ("language", "right", "tests"),
        [
            ("bash", "f() { echo $(($1 + 1)); }", '[ "$(f 1)" = 2 ]'),
            ("perl", "sub f { return $_[0] + 1; }", "die 'wrong' unless f(1) == 2;"),
        ],
    )
    def test_scripts(self, language: str, right: str, tests: str) -> None:
        assert judged(fenced(right, language), tests, language=language).reward == 1
        other = fenced(right.replace("1;", "2;").replace("+ 1)", "+ 2)"), language)
        assert judged(other, tests, language=language).reward == 0


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "_SYSTEM", "/nowhere")
    with pytest.raises(ConfigError, match=r"code in rust needs 'rustc'.*apt install rustc"):
        interpreter(find_language("rs"))
    with pytest.raises(ConfigError, match=r"code in go needs 'go'.*apt install golang-go"):
        interpreter(find_language("golang"))


def test_definitions_are_found_and_left_out() -> None:
    code = (
        "struct A { int x; };\nint f(int a) { if (a) { return 1; } return 0; }\n"
        'const char* s = "int g() {";\ntemplate <class T>\nT h(T a) { return a; }\n'
    )
    names = [found.name for found in scan.definitions(scan.bare(code, "cpp"))]
    assert names == ["A", "f", "h"]
    left = scan.without(code, {"f", "h"}, "cpp")
    assert "struct A" in left
    assert "g() {" in left
    assert "return" not in left


@pytest.mark.parametrize("language", COMPILED)
@given(text=st.text(alphabet="{}()'\"`/*\\\n abcf1;=<>&", max_size=60))
def test_any_text_is_a_program_that_may_not_compile(language: str, text: str) -> None:
    assert len(scan.bare(text, language)) == len(text)
    assert scan.without(text, set(), language) == text
    code = whole.answer([], text, HEADS[language], language)
    source = forms.form(language, TESTS[language]).program(code, TESTS[language], "done")
    assert "gristmill" in source or "done" in source or language == "rust"
