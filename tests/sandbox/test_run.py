"""Running a program: what goes in, what comes out, when it ends, and what is refused."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boxes import boxed, needs_sandbox, processes_with
from gristmill.errors import BackendError, ConfigError
from gristmill.sandbox import (
    LANGUAGES,
    Limits,
    bubble,
    build,
    check,
    find_language,
    interpreter,
    run,
)

PYTHON = (*interpreter(find_language("python")), "-c")
HELLO = {
    "python": "print(input()[::-1])",
    "javascript": "console.log(require('fs').readFileSync(0,'utf8').trim()"
    ".split('').reverse().join(''))",
    "bash": "read x; rev <<< $x",
    "perl": "$x = <STDIN>; chomp $x; print scalar reverse($x);",
    "ruby": "puts gets.chomp.reverse",
    "lua": "print(io.read():reverse())",
    "php": "<?php echo strrev(trim(fgets(STDIN)));",
    "cpp": "#include <algorithm>\n#include <iostream>\nint main() { std::string s; std::cin >> s;"
    " std::reverse(s.begin(), s.end()); std::cout << s; }",
    "java": "class Gristmill { public static void main(String[] a) throws Exception {"
    " byte[] s = System.in.readAllBytes(); System.out.print("
    "new StringBuilder(new String(s).trim()).reverse()); } }",
    "go": 'package main\nimport "fmt"\nfunc main() { var s string; fmt.Scan(&s)\n'
    "for i := len(s) - 1; i >= 0; i-- { fmt.Print(s[i : i+1]) } }",
    "rust": "fn main() { let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap();"
    ' println!("{}", s.trim().chars().rev().collect::<String>()); }',
    "typescript": "declare var require: any; const s = require('fs').readFileSync(0, 'utf8')"
    ";console.log(s.trim().split('').reverse().join(''));",
    "r": "cat(rev(strsplit(readLines('stdin')[1], '')[[1]]), sep='')",
}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@needs_sandbox
class TestBuilding:
    def test_what_a_compiler_says_is_told(self) -> None:
        made = asyncio.run(build("int main() { return x; }", find_language("c++")))
        assert "main.cpp:1:" in made.error
        assert made.files == {}

    def test_a_compiler_is_boxed_too(self) -> None:
        source = "#include </etc/hostname>\nint main() {}"
        assert "No such file" in asyncio.run(build(source, find_language("cpp"))).error


@needs_sandbox
class TestRunning:
    def test_it_reads_its_files_and_input_and_gives_output_and_status(self) -> None:
        code = "import sys; print(open('a/b.txt').read(), sys.stdin.read()); sys.exit(3)"
        work = run([*PYTHON, code], files={"a/b.txt": "h\u00e9", "c": b"\0"}, stdin=b"in")
        done = asyncio.run(work)
        assert (done.status, done.reason, done.ok) == (3, "exit", False)
        assert done.stdout.decode() == "h\u00e9 in\n"

    @pytest.mark.parametrize("language", [language.name for language in LANGUAGES])
    def test_a_program_of_each_language_runs(self, language: str) -> None:
        try:
            interpreter(find_language(language))
        except ConfigError as error:
            pytest.skip(str(error))
        done = boxed(HELLO[language], b"stressed\n", language)
        assert (done.ok, done.stdout.strip()) == (True, b"desserts"), done

    def test_a_signal_is_told_from_an_exit(self) -> None:
        done = boxed("import os; os.kill(os.getpid(), 11)")
        assert (done.status, done.reason) == (139, "signal")

    def test_large_input_that_is_not_read_does_not_matter(self) -> None:
        assert boxed("print(1)", b"x" * 10_000_000).stdout == b"1\n"

    def test_much_input_and_output_flow_at_once(self) -> None:
        code = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
        data = bytes(range(256)) * 20_000
        assert boxed(code, data, output=1 << 23).stdout == data

    def test_it_can_talk_over_a_socket(self) -> None:
        async def talk() -> bytes:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                code = "import os; os.write(0, os.read(0, 9).upper())"
                work = asyncio.create_task(run([*PYTHON, code], stdin=theirs))
                ours.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(ours, b"hello")
                heard = await loop.sock_recv(ours, 9)
                assert (await work).ok
                return heard

        assert asyncio.run(talk()) == b"HELLO"

    def test_the_working_folder_starts_empty_and_is_its_own(self) -> None:
        code = "import os; print(os.listdir('.')); open('x', 'w')"
        for _ in range(2):
            assert asyncio.run(run([*PYTHON, code])).stdout == b"[]\n"

    def test_a_command_that_is_not_there_is_a_program_that_failed(self) -> None:
        done = asyncio.run(run(["/usr/bin/no-such-thing"]))
        assert not done.ok
        assert b"no-such-thing" in done.stderr

    @pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", ""])
    def test_a_file_outside_of_the_working_folder_is_refused(self, path: str) -> None:
        with pytest.raises(BackendError, match="not a path below"):
            asyncio.run(run([*PYTHON, ""], files={path: ""}))

    def test_no_descriptor_is_left_open(self) -> None:
        async def often() -> int:
            await run([*PYTHON, ""])
            gc.collect()  # what tests before this one left behind
            before = open_files()
            await asyncio.gather(*(run([*PYTHON, ""], files={"a": "b"}) for _ in range(6)))
            with pytest.raises(BackendError):
                await run([*PYTHON, ""], files={"../x": ""})
            return open_files() - before

        assert asyncio.run(often()) == 0

    def test_it_runs_on_uvloop(self) -> None:
        import uvloop

        done = uvloop.run(run([*PYTHON, "print(input())"], stdin=b"x\n"))
        assert done.stdout == b"x\n"


@needs_sandbox
class TestEnding:
    def test_a_cancelled_run_leaves_no_process(self) -> None:
        async def cancel() -> None:
            code = "import time; time.sleep(99)"
            work = asyncio.create_task(run([*PYTHON, code, "cancelled-4be1"]))
            while not processes_with("cancelled-4be1"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert not processes_with("cancelled-4be1")

        asyncio.run(cancel())

    @pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.006, 0.01, 0.015])
    def test_it_may_be_cancelled_at_any_moment(self, delay: float) -> None:
        async def cancel() -> None:
            work = asyncio.create_task(run([*PYTHON, "import time; time.sleep(9)", "soon-8d2e"]))
            await asyncio.sleep(delay)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert not processes_with("soon-8d2e")

        asyncio.run(cancel())

    def test_the_sandbox_dies_with_our_process(self) -> None:
        code = (
            "import asyncio\nfrom gristmill.sandbox import run\n"
            f"asyncio.run(run([*{PYTHON!r}, 'import time; time.sleep(99)', 'orphan-6c0d']))"
        )
        with subprocess.Popen([sys.executable, "-c", code]) as ours:
            deadline = time.monotonic() + 30
            while len(processes_with("orphan-6c0d")) < 4 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.1)
            ours.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while processes_with("orphan-6c0d") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not processes_with("orphan-6c0d")


class TestRefusing:
    def test_without_bubblewrap_nothing_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        check.cache_clear()
        try:
            with pytest.raises(
                ConfigError, match=r"'bwrap' is not on PATH: apt install bubblewrap"
            ):
                check()
            with pytest.raises(ConfigError, match="never without one"):
                asyncio.run(run([*PYTHON, "open('/tmp/ran', 'w')"]))
        finally:
            check.cache_clear()

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("bwrap: setting up uid map: Permission denied", "apparmor_restrict_unprivileged"),
            ("bwrap: No permissions to create new namespace, likely", "user.max_user_namespaces"),
            ("bwrap: Unknown option --disable-userns", "0.8 or later"),
            ("", "it gave no reason"),
        ],
    )
    def test_what_the_kernel_forbids_is_told_with_what_allows_it(
        self, said: str, told: str
    ) -> None:
        assert told in bubble.refusal(said)

    def test_a_bubblewrap_that_fails_is_quoted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("bwrap", "setpriv", "unshare", "prlimit"):
            (tmp_path / name).write_text(
                "#!/bin/sh\necho bwrap: setting up uid map: Permission denied >&2; exit 1\n"
            )
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        check.cache_clear()
        try:
            with pytest.raises(ConfigError, match="Permission denied; the kernel forbids"):
                check()
        finally:
            check.cache_clear()

    def test_an_unknown_language_is_told_the_known_ones(self) -> None:
        with pytest.raises(ConfigError, match="code in 'cobol' cannot be run; known: python"):
            find_language("cobol")
        assert find_language(" JS ").name == "javascript"

    def test_limits_are_never_above_our_own(self) -> None:
        assert any(option.startswith("--nproc=32:32") for option in Limits().options())
        assert not any(option.startswith("--as") for option in Limits(address=False).options())
