"""Runs a command until it ends, or until the one who started this is gone.

    python -m gristmill.fleet.keep COMMAND...

Standard input is the lease: a pipe whose other end the driver holds and never writes to. However
the driver ends, `kill -9` among it, the system closes that end; what is read here then is the end
of the input, and the command is ended with all that it started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

GRACE = 15.0
"""Seconds that the command has to end by itself once it is asked to."""
_PR_SET_PDEATHSIG = 1


def keep(command: Sequence[str]) -> int:
    """The command's exit status; 128 and the signal's number where one ended it."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent
    )
    threading.Thread(target=_until_alone, args=(process,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _end(process))
    # Ctrl-C lets a command finish what it has begun, which may take a while.
    signal.signal(signal.SIGINT, lambda *_: _kill(process, signal.SIGINT))
    code = process.wait()
    _kill(process, signal.SIGKILL)  # what it left behind
    return code if code >= 0 else 128 - code


def _until_alone(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the command to end, and make it end a while later."""
    _kill(process, signal.SIGTERM)
    later = threading.Timer(GRACE, _kill, (process, signal.SIGKILL))
    later.daemon = True
    later.start()


def _kill(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _die_with_parent() -> None:
    """Should this very process be killed, the command is asked to end by the system."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
