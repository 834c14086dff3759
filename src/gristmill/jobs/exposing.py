"""A run's figures over HTTP, as Prometheus reads them: `GET /metrics`.

The format is Prometheus' text exposition, version 0.0.4. Counters begin where the run's folder
does, so that a resumed run goes on counting; what no folder keeps begins with the process.
"""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any

from gristmill import __version__
from gristmill.errors import ConfigError
from gristmill.jobs.watching import SERVER_COUNTS, Seen, Watcher, state_of
from gristmill.mill import Config
from gristmill.page.text import label

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "run_info": "gauge The run, by its labels.",
    "requests_total": "counter Requests sent, retries among them.",
    "retries_total": "counter Requests sent again after a failure.",
    "failures_total": "counter Attempts that failed, by kind.",
    "cached_total": "counter Answers that came out of the cache.",
    "tokens_total": "counter Tokens paid for, by kind.",
    "server_used": "gauge Whether a server gets requests, where a model is on several.",
    "server_requests_total": "counter Requests that a server got.",
    "server_failures_total": "counter Requests that failed at a server.",
    "server_out_total": "counter Times that a server was left out.",
    "spent_usd": "gauge US dollars spent, by the config's prices.",
    "prompts": "gauge Prompts by what became of them.",
    "target_prompts": "gauge Accepted prompts to stop at.",
    "in_flight": "gauge Samples under way.",
    "written_prompts": "gauge Prompts that recipes have written, by source.",
    "embedded_rows": "gauge Rows embedded for filters to compare with.",
}


class MetricsPort(Watcher):
    """Listens while the run goes on. at: a port, for this machine alone, or HOST:PORT; 0 takes a
    free one. Raises ConfigError for one that cannot be had."""

    def __init__(self, at: str, config: Config) -> None:
        self._host, self._port = _host_and_port(at)
        self._at = at
        self._config = config
        self._server: ThreadingHTTPServer | None = None
        self._states: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/metrics"

    def __enter__(self):
        kind = _Six if ":" in self._host else ThreadingHTTPServer
        try:
            self._server = server = kind((self._host, self._port), self._handler())
        except OSError as error:
            raise ConfigError(
                f"--metrics {self._at}: cannot listen there: {error.strerror}; name another port, "
                "or 0 for a free one"
            ) from None
        self._port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __call__(self, seen: Seen) -> None:
        state = state_of(seen)
        # Replaced as a whole: the threads that answer see the old ones or the new.
        self._states = {**self._states, (state["phase"], state.get("source", "")): state}

    def text(self) -> str:
        """All figures now."""
        info = {"name": self._config.name, "model": self._config.models}
        found: dict[str, dict[tuple[tuple[str, str], ...], Any]] = {
            "run_info": {(*_labels(info), ("version", __version__)): 1}
        }
        for state in self._states.values():
            for name, labels, value in _figures(state):
                series = found.setdefault(name, {})
                key = _labels(labels)
                # Each phase counts failures of its own, and all of them the same hits.
                before = series.get(key, 0)
                added = before + value if name == "failures_total" else value
                series[key] = max(before, value) if name == "cached_total" else added
        lines = []
        for name in (n for n in _HELP if n in found):
            kind, _, said = _HELP[name].partition(" ")
            lines += [f"# HELP gristmill_{name} {said}", f"# TYPE gristmill_{name} {kind}"]
            for key, value in found[name].items():
                shown = ",".join(f'{k}="{v}"' for k, v in key)
                lines.append(f"gristmill_{name}{{{shown}}} {value}".replace("{}", ""))
        return "\n".join(lines) + "\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        text = self.text

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                    return
                body = text().encode()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing: the terminal is the run's."""

        return Handler


class _Six(ThreadingHTTPServer):
    address_family = AF_INET6


def _host_and_port(at: str) -> tuple[str, int]:
    host, _, port = at.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(f"--metrics {at}: write a port, as in 9100, or HOST:PORT")
    return host, int(port)


def _figures(state: dict[str, Any]) -> list[tuple[str, dict[str, str], Any]]:
    """What a state says, as names, labels and values."""
    found: list[tuple[str, dict[str, str], Any]] = [("cached_total", {}, state["cached"])]
    found += [("failures_total", {"kind": k}, n) for k, n in state["failures"].items()]
    if state["phase"] == "embedding":
        return [*found, ("embedded_rows", {}, state["rows"])]
    if state["phase"] == "writing":
        return [*found, ("written_prompts", {"source": state["source"]}, state["prompts"])]
    found += [(f"{n}_total", {}, state[n]) for n in ("requests", "retries")]
    found += [("tokens_total", {"kind": k}, n) for k, n in state["tokens"].items()]
    found += [
        ("prompts", {"state": name}, state[name]) for name in ("accepted", "rejected", "bad_input")
    ]
    found += [("in_flight", {}, state["in_flight"]), ("spent_usd", {}, state["usd"])]
    for server, values in state.get("servers", {}).items():
        own = {"server": server}
        found.append(("server_used", own, int(values["used"])))
        found += [(f"server_{n}_total", own, values[n]) for n in SERVER_COUNTS]
    if state["target"] is not None:
        found.append(("target_prompts", {}, state["target"]))
    return found


def _labels(values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """With what the format would take for its own written as it asks."""
    clean = {k: label(v).replace("\\", "\\\\").replace('"', '\\"') for k, v in values.items()}
    return tuple(clean.items())
