"""What programs do that must not be done: each is contained, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from boxes import boxed, needs_sandbox, processes_with
from gristmill.sandbox import Finished

pytestmark = needs_sandbox


def said(done: Finished) -> str:
    assert done.ok, done
    return done.stdout.decode().strip()


def test_a_fork_bomb_reaches_its_limit_and_no_process_is_left() -> None:
    # Each process counts what it could start; a limit that did not hold would count for ever.
    code = """
import os, sys, time
mark = "forkbomb-7f3a"
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(99)", mark])
        count += 1
except OSError as error:
    print(count, error.errno)
"""
    done = boxed(code, processes=16)
    count, error = map(int, said(done).split())
    assert count <= 14
    assert error == 11
    assert not processes_with("forkbomb-7f3a")


@pytest.mark.parametrize("language", ["python", "bash"])
def test_a_fork_bomb_that_goes_on_for_ever_ends_with_its_time(language: str) -> None:
    code = {
        "python": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "bash": "bomb() { bomb | bomb & }; bomb; while :; do bomb; done",
    }[language]
    done = boxed(code, language=language, wall=1.5, processes=16)
    assert not done.ok


def test_memory_of_one_process_is_refused_above_the_limit() -> None:
    done = boxed("a = bytearray(300 << 20)", memory=200 << 20)
    assert done.status == 1
    assert b"MemoryError" in done.stderr


def test_memory_of_many_processes_together_ends_the_sandbox() -> None:
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        a = bytearray(150 << 20)
        a[::4096] = bytes(len(a[::4096])).replace(b"\\0", b"x")
        time.sleep(30)
time.sleep(30)
"""
    assert boxed(code, memory=200 << 20).reason == "memory"


def test_memory_that_processes_share_is_counted_once() -> None:
    code = """
import os, time
a = bytearray(120 << 20)
a[::4096] = b"x" * len(a[::4096])
children = [os.fork() for _ in range(3)]
time.sleep(0.5)
if all(children): print("shared")
"""
    assert "shared" in said(boxed(code, memory=250 << 20))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_ends_the_sandbox(stream: str) -> None:
    done = boxed(f"import sys\nwhile True: sys.{stream}.write('x' * 9999)", output=100_000)
    assert done.reason == "output"
    assert len(getattr(done, stream)) == 100_000


def test_an_endless_loop_ends_with_its_processor_time() -> None:
    done = boxed("while True: pass", cpu=1, wall=20)
    assert done.reason == "time"


def test_sleeping_and_ignoring_signals_ends_with_the_wall_time() -> None:
    code = """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(99)
"""
    assert boxed(code, wall=1).reason == "time"


def test_ignoring_the_signal_of_the_processor_time_gains_a_second() -> None:
    code = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert not boxed(code, cpu=1, wall=20).ok


def test_a_daemon_that_forks_twice_does_not_outlive_the_program() -> None:
    code = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(99)", "dmn-91c"])
    os._exit(0)
os.wait()
print("left")
"""
    assert said(boxed(code)) == "left"
    assert not processes_with("dmn-91c")


def test_killing_everything_kills_the_sandbox_alone() -> None:
    code = "import os\nfor pid in (1, os.getppid(), -1):\n    os.kill(pid, 9)"
    done = boxed(code)
    assert not done.ok
    assert said(boxed("print(1)")) == "1"


def test_nothing_of_ours_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sesame-5521")
    monkeypatch.setenv("NVIDIA_API_KEY", "sesame-5521")
    monkeypatch.chdir(tmp_path)
    paths = [secret, Path.home(), Path(__file__), "/etc/shadow", "/etc/passwd", "/home", "/work"]
    code = f"""
import os
for path in {[str(p) for p in paths]!r}:
    try: print(path, open(path).read() if not os.path.isdir(path) else os.listdir(path))
    except OSError as error: print(error.errno)
for pid in os.listdir("/proc"):
    if pid.isdigit():
        for name in ("environ", "cmdline", "maps"):
            try: print(open(f"/proc/{{pid}}/{{name}}").read())
            except OSError: pass
print(dict(os.environ), os.listdir("/proc/1/fd"))
"""
    text = said(boxed(code))
    assert "sesame" not in text
    assert "[]" not in text
    for line in text.splitlines():
        if line.startswith(str(Path.home())):
            # The way to the running Python, if it lies there, and nothing beside it.
            assert Path(sys.base_prefix).is_relative_to(Path.home())


def test_the_home_folder_shows_only_the_way_to_python() -> None:
    code = f"""
import os
for folder, folders, files in os.walk({str(Path.home())!r}):
    if folder == {sys.base_prefix!r}: folders.clear(); continue
    print(*files, len(folders))
"""
    assert set(said(boxed(code)).split()) <= {"1"}


def test_no_socket_reaches_anything_outside() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
import socket
for family, address in (
    (socket.AF_INET, ("127.0.0.1", {server.getsockname()[1]})),
    (socket.AF_INET, ("1.1.1.1", 53)),
    (socket.AF_INET6, ("2606:4700:4700::1111", 53)),
    (40, (2, 22)),  # AF_VSOCK: the host of a virtual machine
):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error:
        print("no")
"""
        assert said(boxed(code)).split() == ["no"] * 4
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_nothing_can_be_written_outside_of_the_working_folder() -> None:
    code = """
import os
for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/home/x", "/proc/sys/kernel/hostname",
             "/box/../x", "/proc/1/oom_score_adj", "/proc/1/root/usr/x", os.__file__):
    try:
        open(path, "wb", 0).write(b"-1")
        print("wrote", path)
    except OSError: pass
os.symlink("/usr", "/box/link")
try: open("/box/link/x", "w"); print("wrote through a link")
except OSError: pass
open("/box/x", "w").write("x"); open("/tmp/x").read(); print("here")
"""
    assert said(boxed(code)) == "here"


def test_a_symlink_that_the_program_leaves_leads_us_nowhere() -> None:
    # We look at the working folder from outside while the program runs.
    code = """
import os, shutil, time
os.symlink("/proc/1/root", "a")
try: os.rename("/box", "/tmp2")
except OSError: pass
time.sleep(0.3)
print("done")
"""
    assert said(boxed(code)) == "done"


@pytest.mark.parametrize("folder", ["/box", "/dev/shm"])
def test_the_disk_is_full_at_its_limit(folder: str) -> None:
    code = f"""
total = 0
try:
    for n in range(100):
        with open(f"{folder}/{{n}}", "wb") as file:
            total += file.write(bytes(1 << 20))
except OSError: print(total >> 20)
"""
    assert 3 <= int(said(boxed(code, disk=4 << 20))) <= 4


def test_one_file_may_not_be_larger_than_the_disk() -> None:
    done = boxed("import os\nos.truncate(os.open('f', 66), 1 << 40)", disk=1 << 20)
    assert not done.ok


def test_empty_files_without_end_end_the_sandbox() -> None:
    code = "import itertools\nfor n in itertools.count(): open(str(n), 'w').close()"
    assert boxed(code, entries=2000, cpu=20, wall=20).reason == "disk"


def test_memory_that_belongs_to_no_process_is_refused() -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for call in (lambda: os.memfd_create("m"), lambda: check(libc.shmget(0, 1 << 20, 0o1600))):
    def check(result):
        if result < 0: raise OSError(ctypes.get_errno(), "refused")
    try: call(); print("had it")
    except OSError as error: print(error.errno)
"""
    assert said(boxed(code)).split() == ["1", "1"]


def test_no_namespace_can_be_made_and_no_other_process_looked_into() -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "unshare": lambda: libc.unshare(0x10000000),
    "clone": lambda: libc.syscall(56 if os.uname().machine == "x86_64" else 220,
                                  0x10000000 | 17, 0, 0, 0, 0),
    "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
    "mount": lambda: libc.mount(b"none", b"/box", b"tmpfs", 0, 0),
    "setuid": lambda: libc.setuid(0),
}
for name, call in calls.items():
    print(name, call(), ctypes.get_errno())
"""
    for line in said(boxed(code)).splitlines():
        assert line.split()[1] == "-1", line


def test_no_program_gains_rights_by_being_setuid() -> None:
    done = boxed("import subprocess\nprint(subprocess.run(['su','-c','id'],capture_output=True))")
    assert b"uid=0" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_holds_as_well_for_somebody_who_is_not_root() -> None:
    # nobody may not read where this Python or our files lie: so the system's, and a copy.
    python = Path("/usr/bin/python3")
    newer = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not python.exists() or subprocess.run([python, "-c", newer]).returncode:
        pytest.skip("no Python 3.11 in /usr/bin")
    source = Path(sys.modules["gristmill"].__file__ or "").parent
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "gristmill"
        (copy / "sandbox").mkdir(parents=True)
        for file in (source / "errors.py", *(source / "sandbox").glob("*.py")):
            (copy / file.relative_to(source)).write_text(file.read_text())
        (copy / "__init__.py").touch()
        (program := Path(folder) / "as_nobody.py").write_text(AS_NOBODY)
        Path(folder).chmod(0o755)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, program],
            cwd=folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, reason = done.stdout.split()
    assert reason == "memory"
    assert int(count) <= 14


AS_NOBODY = """
import asyncio
from gristmill.sandbox import Limits, run, find_language, interpreter
bomb = '''
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0: time.sleep(9)
        count += 1
except OSError: print(count, flush=True)
os.kill(-1, 9)
'''
hungry = '''
import os, time
for _ in range(6): os.fork()
a = b"x" * (20 << 20)
time.sleep(9)
'''
python = [*interpreter(find_language('python')), '-c']
done = asyncio.run(run([*python, bomb], limits=Limits(processes=16, wall=10)))
more = asyncio.run(run([*python, hungry], limits=Limits(processes=99, memory=256 << 20)))
print(done.stdout.decode().split()[-1], more.reason)
"""
