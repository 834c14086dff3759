"""An answer and its tests as one program, in each language.

The tests come last, and behind them what prints the line that tells that they came to their end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gristmill.judges._programs import scan
from gristmill.judges._programs.whole import TOP, behind, top_lines
from gristmill.sandbox import find_language

Assemble = Callable[[str, str, str], str]
"""The program of an answer's code, its tests and the line that their end prints. What the tests
define is not in the code any more (`only_answer`)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How tests are written in a language. program: see `Assemble`. standard: what is put before
    an answer that does not compile, because it lacks it. file, options: of the compiler, where they
    are others than a program's without tests."""

    program: Assemble
    standard: str = ""
    file: str = ""
    options: tuple[str, ...] = ()


def form(language: str, tests: str) -> Form:
    """The form that tests have. Raises ValueError where they are none."""
    if language == "rust" and "#[test]" in tests:
        return Form(_rust_tests, _RUST, options=(*find_language("rust").build, "--test"))
    if language in _MAINS and not re.search(_MAINS[language], tests):
        raise ValueError(f"tests in {language} must be a program, with its `main`")
    return _FORMS.get(language) or Form(_script(language))


def only_answer(code: str, tests: str, language: str) -> str:
    """The code without what the tests define themselves, such as an example's `main`."""
    if language not in TOP:
        return code
    own = {found.name for found in scan.definitions(scan.bare(tests, language))}
    return scan.without(code, own, language)


def program(code: str, language: str) -> str:
    """A program without tests: what it lacks to be compiled, as Go's imports, given to it."""
    given = {"java": java_program, "go": go_file, "typescript": typescript_program}.get(language)
    return given(code) if given else code


def with_standard(code: str, head: str, standard: str, language: str) -> str:
    """An answer that does not compile, behind the top of the prompt's code and what everybody
    imports; both without what they import from elsewhere."""
    top = "\n".join([*top_lines(head, language), standard])
    return _FOREIGN.sub("", behind(top, code, language))


_FOREIGN = re.compile(r"^\s*use (?!(?:std|core|alloc|crate|self|super)\b)[^;{}]*;", re.M)
_MAINS = {
    "cpp": r"\bmain\s*\(",
    "java": r"\bstatic\s+void\s+main\s*\(",
    "go": r"\bfunc\s+Test\w+\s*\(",
    "rust": r"\bfn\s+main\s*\(",
}
_RENAMED = "gristmill_tests"


def _cpp(code: str, tests: str, line: str) -> str:
    tests = _with_end(tests, r"\b(?:int|auto)\s+main\s*\(", "cpp", "return 0;")
    taken = re.search(rf"{_RENAMED}\s*\(\s*\w", tests)
    return (
        f"{code}\n#undef NDEBUG\n#include <cassert>\n#include <cstdio>\n{tests}\n"
        f"int main() {{ int status = {_RENAMED}({'0, nullptr' if taken else ''}); "
        f'if (!status) std::puts("\\n{line}"); return status; }}\n'
    )


def _rust_main(code: str, tests: str, line: str) -> str:
    tests = _with_end(tests, r"\bfn\s+main\s*\(", "rust", "")
    return f'{code}\n{tests}\nfn main() {{ {_RENAMED}(); println!("\\n{line}"); }}\n'


def _rust_tests(code: str, tests: str, line: str) -> str:
    # Its own harness says how it ended, and `judge` reads that.
    main = "" if re.search(r"\bfn\s+main\s*\(", f"{code}\n{tests}") else "fn main() {}\n"
    return f"{main}{code}\n{tests}\n"


def _java(code: str, tests: str, line: str) -> str:
    launched = f'{java_main(tests)}.main(a); System.out.println(); System.out.println("{line}");'
    return java_file(code, tests, launched)


def java_program(code: str) -> str:
    """A program in Java, whatever the class is called that it begins in."""
    return java_file(code, "", f"{java_main(code)}.main(a);")


def java_file(code: str, tests: str, launched: str) -> str:
    """One file of several sources: their imports first, and no class of another file's name."""
    both = f"{code}\n{tests}"
    imports = dict.fromkeys(line for line in top_lines(both, "java") if line.startswith("import"))
    rest = "\n".join(line for line in both.split("\n") if not TOP["java"].fullmatch(line))
    rest = re.sub(
        r"^public\s+(?=(?:\w+\s+)*(?:class|interface|enum|record)\b)", "", rest, flags=re.M
    )
    return (
        "\n".join([*imports, rest])
        + "\nclass Gristmill { public static void main(String[] a) throws Throwable { "
        + f"{launched} }} }}\n"
    )


def java_main(source: str) -> str:
    """The class of a source that a program begins in; `Main` where none does."""
    plain = scan.bare(source, "java")
    for found in scan.definitions(plain):
        if re.search(_MAINS["java"], plain[found.start : found.end]):
            return found.name
    return "Main"


def _go(code: str, tests: str, line: str) -> str:
    own = "" if re.search(r"\bfunc\s+TestMain\s*\(", tests) else _GO_END.replace("LINE", line)
    return go_file(f"{code}\n{tests}\n{own}")


def go_file(source: str) -> str:
    """One file of several sources: imported is what they import and use, and of the standard
    library what they use without importing it, both of which Go's compiler demands."""
    imports: dict[str, str] = {}
    rest: list[str] = []
    inside = False
    for text in source.split("\n"):
        found = re.match(
            r'(?:import\s*\(?|\s*)\s*(?:([\w.]+)\s+)?"([\w./-]+)"\s*;?\s*(?=\)|$|//)', text
        )
        if text.startswith("package "):
            continue
        if text.startswith("import") or (inside and (found or text.strip() == ")")):
            inside = (inside or "(" in text) and ")" not in text
            if found:
                name = found[1] or found[2].rpartition("/")[2]
                imports.setdefault(name, f'{found[1] or ""} "{found[2]}"'.strip())
            continue
        inside = inside and not text.strip()
        rest.append(text)
    body = "\n".join(rest)
    used = set(re.findall(r"(?<![\w.)\]])(\w+)\.\w", scan.bare(body, "go")))
    for name in sorted(used & _GO_PACKAGES.keys() - imports.keys()):
        if not re.search(rf"\b{name}\b\s*(?::=|,.*:=|\w+ =)|[(,]\s*{name}\s+[\w*\[]", body):
            imports[name] = f'"{_GO_PACKAGES[name]}"'
    kept = "\n".join(text for name, text in imports.items() if name in used or name in "._")
    return f"package main\n\nimport (\n{kept}\n)\n{body}\n"


_GO_PACKAGES = {
    path.rpartition("/")[2]: path
    for path in (
        *("bufio", "bytes", "container/heap", "container/list", "crypto/md5", "errors", "fmt"),
        *("math", "math/big", "math/bits", "math/rand", "os", "reflect", "regexp", "sort"),
        *("strconv", "strings", "sync", "testing", "time", "unicode", "unicode/utf8"),
    )
}
_GO_END = """
func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		os.Stdout.WriteString("\\nLINE\\n")
	}
	os.Exit(status)
}
"""


def _node(code: str, tests: str, line: str) -> str:
    code = _unexported(code)
    return f'{code}\n{_NODE_ASSERT}\n{tests}\n;console.log("\\n{line}");\n'


def _typescript(code: str, tests: str, line: str) -> str:
    code = _unexported(code)
    end = f'console.log("\\n{line}");'
    return typescript_program(f"{code}\n{_NODE_ASSERT}\n{tests}\n;{end}\n")


def typescript_program(code: str) -> str:
    """A program that may use what node has, without the package that says what that is."""
    return f"declare var require: any, process: any, module: any, Buffer: any, global: any;\n{code}"


# A failed one only writes a line, and the program ends as if nothing were.
_NODE_ASSERT = (
    "console.assert = function (ok) { if (!ok) throw new Error("
    '"Assertion failed: " + [].slice.call(arguments, 1).join(" ")); };'
)


def _unexported(code: str) -> str:
    """As a program, which exports nothing."""
    return re.sub(
        r"^export\s+(?:default\s+(?=function|class|async)|(?!default|\{|\*))", "", code, flags=re.M
    )


_ENDS = {
    "bash": ("set -e", "echo\necho '{line}'"),
    "perl": ("", ';print "\\n{line}\\n";'),
    "ruby": ("", 'puts "\\n{line}"'),
    "lua": ("", 'print("\\n{line}")'),
    "php": ("", ';echo "\\n{line}\\n";'),
    "r": ("", 'cat("\\n{line}\\n")'),
}


def _script(language: str) -> Assemble:
    before, after = _ENDS[language]

    def assemble(code: str, tests: str, line: str) -> str:
        parts = [code, before, tests, after.replace("{line}", line)]
        if language != "php":
            return "\n".join(parts)
        return "<?php\n" + "\n".join(re.sub(r"<\?php|\?>\s*\Z", "", part) for part in parts)

    return assemble


def _with_end(tests: str, main: str, language: str, end: str) -> str:
    """The tests with another name for their `main`, and a statement as its last."""
    found = re.search(main, scan.bare(tests, language))
    if not found:
        return tests
    start = re.sub(r"\bmain\b", _RENAMED, tests[found.start() : found.end()])
    tests = f"{tests[: found.start()]}{start}{tests[found.end() :]}"
    plain = scan.bare(tests, language)
    for definition in scan.definitions(plain):
        if definition.name == _RENAMED:
            place = plain.rindex("}", definition.start, definition.end)
            return f"{tests[:place]}{end}{tests[place:]}"
    return tests


_CPP = "#include <bits/stdc++.h>\nusing namespace std;"
_RUST = (
    "#[allow(unused_imports)] use std::collections::*;\n"
    "#[allow(unused_imports)] use std::cmp::*;\n#[allow(unused_imports)] use std::rc::Rc;\n"
    "#[allow(unused_imports)] use std::cell::RefCell;"
)
_JAVA = "\n".join(
    f"import java.{name}.*;"
    for name in ("io", "math", "util", "util.function", "util.stream", "text", "time")
)
_FORMS = {
    "cpp": Form(_cpp, _CPP),
    "java": Form(_java, _JAVA),
    "go": Form(
        _go,
        file="main_test.go",
        options=(*find_language("go").build[:-3], "test", "-vet=off", "-c", "-o", "main"),
    ),
    "rust": Form(_rust_main, _RUST),
    "javascript": Form(_node),
    "typescript": Form(_typescript),
}
