"""Code that parses stays, code that does not goes, and none of it is run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("tree_sitter_go")

from gristmill.errors import ConfigError
from gristmill.filters._parsing import ALIASES, LANGUAGES, fault_in
from gristmill.filters.code_syntax import CodeSyntax
from gristmill.parts import open_part
from gristmill.records import Drop
from mills import prompt, sample

RIGHT = {
    "bash": "for f in *.txt; do\n  echo \"$f\" | sed 's/a/b/'\ndone\n",
    "c": "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 3); return 0; }\n",
    "cpp": "#include <vector>\ntemplate <class T> T f(const std::vector<T>& v) { return v[0]; }\n",
    "csharp": "using System;\nvar xs = new[] {1};\nforeach (var x in xs) Console.WriteLine(x);\n",
    "css": "a:hover > b { color: #fff; margin: 0 auto; }\n",
    "go": "package main\n\nfunc add(a, b int) int { return a + b }\n",
    "java": "public class A {\n  static <T> T id(T x) { return x; }\n}\n",
    "javascript": "const f = async (x) => { await g?.(x); return `${x}`; };\n",
    "json": '{"a": [1, 2.5e3, null], "b": "\\u00e9"}\n',
    "julia": "f(x) = x^2\nfor i in 1:3\n    println(f(i))\nend\n",
    "kotlin": "fun main() {\n    val xs = listOf(1, 2)\n    xs.forEach { println(it) }\n}\n",
    "lua": "local t = {1, 2}\nfor i, v in ipairs(t) do print(v) end\n",
    "php": "<?php\nfunction f(int $x): int { return $x + 1; }\necho f(2);\n",
    "python": "match x:\n    case [1, *rest]:\n        print(f'{rest!r}')\n",
    "ruby": "def f(x)\n  x.map { |y| y + 1 }\nend\n",
    "rust": "fn f<'a>(x: &'a str) -> Option<&'a str> { x.get(1..) }\n",
    "scala": "object A {\n  def f(x: Int): Int = x match { case 1 => 2; case _ => 3 }\n}\n",
    "swift": "func f(_ x: Int?) -> Int {\n    guard let y = x else { return 0 }\n    return y\n}\n",
    "toml": "[a]\nb = [1, 2]\nc = 1979-05-27T07:32:00Z\n",
    "tsx": "const A = (p: { x: number }) => <b>{p.x}</b>;\n",
    "typescript": "interface A<T> { x?: T }\nconst f = (a: A<number>): a is A<number> => true;\n",
    "yaml": "a: &x [1, 2]\nb:\n  - !!python/name:os.system ''\n---\nc: *x\n",
}  # fmt: skip
WRONG = {
    "bash": "for f in *.txt; do\n  echo $f\n",
    "c": "int main(void) { return (0; }\n",
    "cpp": "template <class T T f() { return 1 }\n",
    "csharp": "var x = new[] {1, 2;\n",
    "css": "a { color: red;\n",
    "go": "func add(a, b int) int { return a + }\n",
    "java": "public class A { void f( { } }\n",
    "javascript": "const f = (x => { return x;\n",
    "json": "{'a': 1,}\n",
    "julia": "f(x) = (x + [1, 2\n",
    "kotlin": "fun main( { val = 3 }\n",
    "lua": "for i = 1, 3 do print(i)\n",
    "php": "function f($x { return $x; }\n",
    "python": "print 'two'\n",
    "ruby": "def f(x)\n  x.each do |y|\nend\n",
    "rust": "fn f(x: &str -> u8 { x }\n",
    "scala": "object A { def f(x: Int = x }\n",
    "swift": "func f(_ x: Int -> Int { return x }\n",
    "toml": "[a\nb = 1\n",
    "tsx": "const A = () => <b>{x</b>;\n",
    "typescript": "interface A { x: number\n",
    "yaml": "a: [1, 2\nb: 3\n",
}


def said(code: str, language: str, **options: object) -> str | Drop:
    filter_ = open_part("gristmill.filters", {"code_syntax": options}, "keep[0]")
    return filter_.reason(prompt("x"), sample(0, f"Here:\n\n```{language}\n{code}```\nDone."))


def test_every_language_has_a_right_and_a_wrong_piece_here() -> None:
    assert set(RIGHT) == set(WRONG) == LANGUAGES
    assert set(ALIASES.values()) <= LANGUAGES
    assert not set(ALIASES) & LANGUAGES


@pytest.mark.parametrize("language", sorted(RIGHT))
def test_right_code_stays(language: str) -> None:
    assert said(RIGHT[language], language) == ""
    assert said(RIGHT[language].replace("\n", "\r\n"), language) == ""


@pytest.mark.parametrize("language", sorted(WRONG))
def test_wrong_code_goes_and_the_line_is_named(language: str) -> None:
    drop = said(WRONG[language], language)
    assert isinstance(drop, Drop)
    assert drop.reason == f"code_syntax:{language}"
    assert drop.evidence.startswith("line ")


def test_the_line_is_counted_in_the_whole_response() -> None:
    drop = said("x = 1\ny = (2\n", "py")
    assert drop == Drop("code_syntax:python", "line 5: '(' was never closed: y = (2")


@pytest.mark.parametrize("name", ["py", "Python", "python3", "{.python}", 'python title="a.py"'])
def test_a_fence_may_name_its_language_in_many_ways(name: str) -> None:
    assert said("def f(:\n", name) != ""
    assert said("def f():\n    pass\n", name) == ""


@pytest.mark.parametrize("name", ["", "text", "console", "brainfuck", "diff", "mermaid", "output"])
def test_what_has_no_parser_passes(name: str) -> None:
    assert said("def f(:\n", name) == ""


@pytest.mark.parametrize(
    "code",
    [
        ">>> f(1)\n2\n>>> for i in x:\n...     print(i)\n...\n[1, (2]\n",
        "!pip install numpy\n%matplotlib inline\nimport numpy\n",
        "    indented = 1\n    still = 2\n",
        'pattern = "\\d+"\n',
        "await f()\nreturn 3\n",
        "x is 'a'\n",
        "...\n",
        "\n",
    ],
)
def test_python_as_people_type_it_stays(code: str) -> None:
    assert said(code, "python") == ""


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5000,
        "[" * 300 + "]" * 300,
        "x = " + "-" * 20000 + "1",
        "x" + ".y" * 50000 + " = (",
        "\x00",
        "x = '\ud800' (",
        "a = " + "9" * 5000 + " (",
        "if x:\n" * 200,
    ],
)
def test_nasty_python_is_wrong_code_and_no_crash(code: str) -> None:
    assert isinstance(said(code + "\n", "python"), Drop)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_depth_and_rubbish_do_no_harm(language: str) -> None:
    for code in ("(" * 3000, "{" * 3000, "[" * 3000, "\x00\x01", "\ud800", "<" * 3000, '"' * 999):
        fault_in(language, code)


def test_deep_code_does_not_kill_the_process() -> None:
    code = (
        "from gristmill.filters._parsing import fault_in\n"
        "for s in ('x' + '.y' * 200000, 'x' + '[0]' * 100000, 'a+' * 90000 + 'a', 'not ' * 9000):\n"
        "    fault_in('python', s)\n"
        "print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "alive", done.stderr[-500:]


def test_only_the_named_languages_are_looked_at() -> None:
    assert said("def f(:\n", "python", languages=["js", "C++"]) == ""
    assert said("f(\n", "js", languages=["js"]) != ""
    with pytest.raises(ConfigError, match=r"code_syntax.languages: no parser for 'cobol'; known:"):
        said("", "", languages="cobol")


def test_an_answer_without_code_may_be_dropped_where_code_was_asked_for() -> None:
    asked = replace(prompt("x"), category="Coding")
    plain = sample(0, "Use a loop.")
    assert CodeSyntax().reason(asked, plain) == ""
    assert CodeSyntax(missing="drop").reason(asked, plain) == Drop(
        "code_syntax:missing", "no fenced block of code"
    )
    written = replace(asked, category="coding:python")
    assert CodeSyntax(missing="drop").reason(written, plain)
    assert CodeSyntax(missing="drop").reason(prompt("x"), plain) == ""


def test_fences_nest_are_indented_quoted_or_open() -> None:
    for text in (
        "1. Do:\n   ```python\n   def f():\n       pass\n   ```\n",
        "> ```python\n> x = 1\n> ```\n",
        "~~~~python\nx = '''\n```\n'''\n~~~~\n",
        "````markdown\n```python\ndef f(:\n```\n````\n",
    ):
        assert CodeSyntax().reason(prompt("x"), sample(0, text)) == "", text
    assert CodeSyntax().reason(prompt("x"), sample(0, "```python\ndef f(")) != ""
