"""A long run against a server with faults of all kinds, killed at a random moment each minute."""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from cells import IN_FLIGHT, RESPONSES, begin, peak_mib, run_config, scored

from servers import FAULTS, FORMS, FaultyServer

LATENCY = 0.25
"""Seconds of a reply, so that the run lasts."""


class Counting(FaultyServer):
    """Keeps no request, which over a long time would be all of the memory."""

    async def _reply(self, request, answer):  # type: ignore[no-untyped-def]
        reply = await super()._reply(request, answer)
        for kept in (self.bodies, self.times, self.headers):
            kept.clear()
        return reply


def soak(minutes: float) -> tuple[str, bool]:
    """A table, and whether nothing was lost or stands twice."""
    prompts = int(minutes * 60 * IN_FLIGHT / LATENCY / 2 / RESPONSES * 0.88)
    random_moment, peaks = random.Random(1), []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        faults = {"faults": FAULTS, "share": 0.05, "stall": 3.0}
        with Counting(latency=LATENCY, forms=FORMS, **faults) as server:  # type: ignore[arg-type]
            config = run_config(folder, server, prompts, timeout=2)
            while True:
                kill_at = time.monotonic() + random_moment.uniform(30, 90)
                with begin("run", config, "--out", folder / "out", "--quiet") as process:
                    peak = 0.0
                    while process.poll() is None and time.monotonic() < kill_at:
                        with suppress(OSError, AssertionError):
                            peak = peak_mib(process.pid)
                        time.sleep(0.2)
                    peaks.append(peak)
                    if process.poll() is None:
                        process.kill()
                        continue
                    said, _ = process.communicate()
                assert process.returncode == 0, said[-600:]
                break
        kills, met = len(peaks) - 1, sum(server.met.values())
        rows = scored(folder / "out")  # each once, or it raises
        wanted = {f"p{i}.{k}" for i in range(prompts) for k in range(RESPONSES)}
        lost, foreign = len(wanted - set(rows)), len(set(rows) - wanted)
        repeated = server.requests - met - 2 * len(wanted)
        most = kills * IN_FLIGHT * 2
    took = (time.monotonic() - begun) / 60
    lines = [
        ("time, kills", f"{took:.0f} min, {kills}"),
        ("rows wanted, there, lost, twice", f"{len(wanted):,}, {len(rows):,}, {lost}, {foreign}"),
        ("requests that met a fault", f"{met:,} of {server.requests:,}"),
        ("requests answered and sent again", f"{repeated:,} ({most:,} were in flight at kills)"),
        ("memory at most, of those killed", f"{min(peaks[:-1]):.0f} to {max(peaks[:-1]):.0f} MiB"),
        ("memory at most, of the first three and the last three killed", _few(peaks)),
        ("memory at most, of the last, which also decides and writes", f"{peaks[-1]:.0f} MiB"),
    ]
    table = "| | |\n|---|---|\n" + "\n".join(f"| {what} | {found} |" for what, found in lines)
    return table, not lost and not foreign and repeated <= most


def _few(peaks: list[float]) -> str:
    first, last = peaks[:-1][:3], peaks[:-1][-3:]
    return " and ".join(", ".join(f"{peak:.0f}" for peak in some) for some in (first, last))
