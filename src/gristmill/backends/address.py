"""From an endpoint's model string to an address, a name and a key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarl import URL

from gristmill.backends.calling import ROUTES, Calling
from gristmill.backends.secret import read_key
from gristmill.backends.session import Server
from gristmill.errors import ConfigError

NIM_URL = "https://integrate.api.nvidia.com/v1"
NIM_KEY = "NVIDIA_API_KEY"
_SECRET_FIELDS = ("key", "token", "secret", "sig", "password")


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go. name: the model as the server knows it."""

    server: Server
    url: URL
    name: str
    route: str

    @classmethod
    def of(cls, calling: Calling, below: str | None = None) -> Address:
        """Take a model string apart and read its key. Raises ConfigError.

        below: the route under the address, for what is neither chat nor reward.
        """
        model, route = calling.model, calling.route
        if model.startswith("nim:"):
            base, name, key_name = URL(NIM_URL), model[4:], calling.key_env or NIM_KEY
        else:
            base, name = _split(model)
            key_name = calling.key_env
            route = base.query.get("route", route)
            base = base.without_query_params("route")
        if route not in ROUTES:
            raise ConfigError(f"model '{model}': route '{route}' is not one of {', '.join(ROUTES)}")
        path = base.path.rstrip("/")
        root = path.removesuffix("/v1")
        server = Server(
            str(base.origin().with_path(root)), read_key(key_name, f"model '{model}'"), key_name
        )
        # vLLM keeps its own routes beside /v1, not below it.
        route_path = f"{path}/{below or 'chat/completions'}"
        path = route_path if route == "chat" else f"{root}/{route}"
        return cls(server, base.with_path(path, keep_query=True), name, route)


def _split(model: str) -> tuple[URL, str]:
    """Base address and name of `http://host:port/v1#name`."""
    text, _, name = model.partition("#")
    if not name:
        raise ConfigError(
            f"model '{model}': add the name that the server knows the model by, "
            f"as in {text.rstrip('/')}#NAME"
        )
    try:
        base = URL(text)
        valid = bool(base.host) and base.port is not None
    except ValueError:
        base, valid = URL(), False
    if not valid:
        raise ConfigError(f"model '{model}': not an address; write http://HOST:PORT/v1#NAME")
    secret = base.user is not None or any(
        part in _SECRET_FIELDS for field in base.query for part in re.split("[-_]", field.lower())
    )
    if secret:
        # The model string goes into every row's provenance. The message must not repeat it.
        raise ConfigError(
            f"the model string for {base.host} holds a password or key: put it into an "
            "environment variable and name that with the option 'key_env'"
        )
    return base, name
