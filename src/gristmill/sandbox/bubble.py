"""The command line of bubblewrap: what a sandbox sees, and whether there can be one at all.

Inside there are: /usr and what belongs to it, read-only; the running Python, read-only; an empty
working folder of limited size, /box, which is /tmp too; its own /proc and a bare /dev. There are
no home folders, no /etc but what programs need to start, no network but its own loopback, no
process but its own, none of our environment, no capabilities, and no way to get any.

What it does not keep out: bugs of the kernel, and what /usr and /proc tell of the machine, such as
its packages, processors and memory. A program can use up the limits that it has (`limits.py`), and
what it does takes time from other programs on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from gristmill.errors import ConfigError
from gristmill.sandbox import seccomp
from gristmill.sandbox.languages import python
from gristmill.sandbox.limits import Limits

OUTSIDE = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
"""The environment of bubblewrap itself, which the program can read in /proc/1/environ."""
BOX = "/box"
"""The working folder, as the program sees it."""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": BOX, "TMPDIR": BOX, "LANG": "C.UTF-8"}
NOBODY = "65534"
"""Who a sandbox runs as when we are root: the kernel holds no limit of processes against root."""

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_CONFIGURATION = ("alternatives", "ld.so.cache", "R", "java-*-openjdk")
_HIDDEN = "/mnt/python"
_AS_NOBODY = (
    # nobody may not walk through /root to a Python that lies there, so root binds it first to a
    # place that is seen by this one process alone.
    'set -e; mount -t tmpfs -o mode=755,size=64k none "${2%/*}"; mkdir "$2"; mount --bind "$1" '
    '"$2"; shift 2; exec "$@"'
)


def command_line(
    command: Sequence[str], limits: Limits, files: Mapping[str, int], options: Sequence[str]
) -> list[str]:
    """What to execute to run a command in a new sandbox.

    files: path below the working folder to the descriptor that its content is read from.
    options: more of bubblewrap's. Raises ConfigError where a tool is missing.
    """
    shown = ["--ro-bind", "/usr", "/usr"]
    for folder in _SYSTEM:
        path = Path(folder)
        if path.is_symlink():
            shown += ["--symlink", str(path.readlink()), folder]
        elif path.is_dir():
            shown += ["--ro-bind", folder, folder]
    for pattern in _CONFIGURATION:
        for path in map(str, Path("/etc").glob(pattern)):
            shown += ["--ro-bind-try", path, path]
    before, hidden = _drop_root()
    if prefix := _own_prefix():
        shown += ["--ro-bind", hidden or prefix, prefix]
    size = ["--size", str(limits.disk), "--tmpfs"]
    placed = [word for path, fd in files.items() for word in ("--file", str(fd), f"{BOX}/{path}")]
    variables = [word for pair in ENVIRONMENT.items() for word in ("--setenv", *pair)]
    return [
        *before,
        _tool("bwrap", "bubblewrap"),
        *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--hostname", "box"),
        *("--clearenv", *variables),
        *shown,
        *("--proc", "/proc", "--dev", "/dev", *size, "/dev/shm", "--remount-ro", "/dev"),
        *(*size, BOX, "--symlink", "box", "/tmp", *placed, "--remount-ro", "/"),
        # Inside, because the processes of a user are counted for each namespace.
        *("--chdir", BOX, *options, "--", _tool("prlimit", "util-linux"), *limits.options()),
        *("--", *command),
    ]


@cache
def check() -> None:
    """See once that sandboxes work here. Raises ConfigError saying what to install or allow.

    Only success is remembered, so that it can be asked again.
    """
    if sys.platform != "linux" or not seccomp.supported():
        raise ConfigError("code is run in a sandbox, and that needs Linux on x86-64 or ARM64")
    _tool("bwrap", "bubblewrap")
    command = command_line([str(python()), "-I", "-S", "-c", ""], Limits(), {}, [])
    try:
        done = subprocess.run(
            command, env=OUTSIDE, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"no sandbox can be started: {error}") from None
    if done.returncode:
        raise ConfigError(refusal(done.stderr.decode(errors="replace")))


def refusal(said: str) -> str:
    """Why there is no sandbox, from what bubblewrap said, and what to do."""
    line = (said.strip().splitlines() or ["it gave no reason"])[-1]
    if "nknown option" in line:
        help_ = "install bubblewrap 0.8 or later"
    elif any(word in line for word in ("ermission", "permitted", "namespace", "uid map")):
        help_ = (
            "the kernel forbids user namespaces here. Allow them: sysctl -w "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04), "
            "kernel.unprivileged_userns_clone=1 (Debian) or user.max_user_namespaces=10000; a "
            "container must be started with --privileged or a profile that allows them"
        )
    else:
        help_ = "see that bubblewrap (bwrap) works for this user"
    return f"no sandbox can be started, and code is never run without one: {line}; {help_}"


def _drop_root() -> tuple[list[str], str]:
    """What stands before bubblewrap when we are root, and where Python then is ('' as it was)."""
    if os.geteuid() != 0:
        return [], ""
    drop = [_tool("setpriv", "util-linux"), f"--reuid={NOBODY}", f"--regid={NOBODY}"]
    drop += ["--clear-groups", "--"]
    prefix = _own_prefix()
    if not prefix:
        return drop, ""
    private = [_tool("unshare", "util-linux"), "--mount", "--propagation", "private"]
    return [*private, "/bin/sh", "-c", _AS_NOBODY, "sh", prefix, _HIDDEN, *drop], _HIDDEN


def _own_prefix() -> str:
    """Where the running Python is installed, if not in /usr. Raises ConfigError where showing it
    would show a home folder."""
    prefix = Path(os.path.realpath(sys.base_prefix))
    if prefix.is_relative_to("/usr"):
        return ""
    if Path.home().resolve().is_relative_to(prefix) or Path("/home").is_relative_to(prefix):
        raise ConfigError(
            f"no sandbox can be made with a Python that is installed in {prefix}, as it would show "
            "the home folder with it; use one with a folder of its own"
        )
    return str(prefix)


def _tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(
            f"code is run in a sandbox and never without one, and '{name}' is not on PATH: "
            f"apt install {package} (Debian, Ubuntu) or dnf install {package} (Fedora)"
        )
    return found
