"""What `/metrics` says, for Prometheus. Names of models and routes are those that are served, so
that no request can add to them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from gristmill.serve.models import Models

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Figures:
    """The counts of one server."""

    def __init__(self, models: Models) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        of_route = ("model", "route")
        self._requests = Counter(
            "gristmill_requests",
            "Requests answered, by status; 499: the client hung up",
            (*of_route, "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "gristmill_request_seconds",
            "From a request to the end of its reply",
            of_route,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first = Histogram(
            "gristmill_first_token_seconds",
            "From a request to the first piece of a streamed answer",
            ("model",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "gristmill_tokens",
            "Tokens read (prompt) and made (completion) in whole replies",
            ("model", "kind"),
            registry=registry,
        )
        places = Gauge(
            "gristmill_places_taken", "Calls running or waiting", ("model",), registry=registry
        )
        limits = Gauge(
            "gristmill_places", "Calls that a model may hold", ("model",), registry=registry
        )
        for served in models:
            taken = served.places
            places.labels(served.name).set_function(lambda taken=taken: taken.taken)
            limits.labels(served.name).set(taken.limit)

    def answered(self, model: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has its reply. model: '' where none of those here was named."""
        self._requests.labels(model, route, str(status)).inc()
        self._seconds.labels(model, route).observe(seconds)

    def begun(self, model: str, seconds: float) -> None:
        """Note when a streamed answer began."""
        self._first.labels(model).observe(seconds)

    def tokens(self, model: str, usage: dict[str, int]) -> None:
        """Count the tokens of a reply's usage."""
        for kind in ("prompt", "completion"):
            self._tokens.labels(model, kind).inc(usage.get(f"{kind}_tokens", 0))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
