"""One model on several servers, as a config or a command names it.

    [http://a:8000/v1#m, http://b:8000/v1#m]    a list; on the command line, separated by commas
    file:servers.txt                            a model string a line, watched while it is used
    http+dns://name:8000/v1#m                   every address that a name in DNS has (https+dns too)

Together they are one model, known by its name alone: `http://*#m`. So servers may come, go and
change places without the answers becoming another model's. One address remains known by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ANYWHERE = "http://*"
"""What stands for the addresses in the name of a model that is on several servers."""
_ADDRESS = ("http://", "https://")
_LOOKED_UP = ("http+dns://", "https+dns://")
_FILE = "file:"
# Only where another place follows: names of models and files have commas, too.
_COMMA = re.compile(r",\s*(?=(?:https?|https?\+dns)://|file:)")


def several(model: object) -> tuple[str, ...]:
    """The places that a model's servers are in; none where `model` is one string for one server.

    Raises ValueError for a list that holds anything else.
    """
    given = model if isinstance(model, list | tuple) else [model]
    if not all(isinstance(place, str) for place in given):
        return ()
    places = tuple(p.strip() for text in given for p in _COMMA.split(str(text)))
    if (
        len(places) == 1
        and isinstance(model, str)
        and not places[0].startswith((*_LOOKED_UP, _FILE))
    ):
        return ()
    if not places:
        raise ValueError("name at least one server, as http://HOST:PORT/v1#NAME")
    for place in places:
        if not place.startswith((*_ADDRESS, *_LOOKED_UP, _FILE)):
            raise ValueError(
                f"'{place}' cannot be one of several: they are http://HOST:PORT/v1#NAME, "
                "http+dns://NAME:PORT/v1#NAME or file:PATH"
            )
    return places


def common_name(places: Sequence[str]) -> str:
    """What the model in all these places is known by: `known`. Raises ValueError where they
    differ, or a file cannot tell."""
    names = {known(place): place for place in reversed(places)}
    if len(names) > 1:
        one, other, *_ = reversed(names.values())
        raise ValueError(
            f"'{one}' and '{other}' are two models, by name or route; a list is one model on "
            "several servers (vLLM's --served-model-name gives one a name)"
        )
    return next(iter(names))


def known(place: str) -> str:
    """`http://*#m`, with the route if one is named.

    Raises ValueError where no name is, also not in a file.
    """
    if place.startswith(_FILE):
        _, _, name = place.partition("#")
        return f"{ANYWHERE}#{name}" if name else common_name(lines(place))
    address, _, name = place.partition("#")
    if not name:
        raise ValueError(f"'{place}': add the model's name, as in {address.rstrip('/')}#NAME")
    route = re.search(r"[?&](route=\w+)", address)
    return f"{ANYWHERE}{'?' + route[1] if route else ''}#{name}"


def is_address(place: str) -> bool:
    """Whether a place is one server, rather than where addresses are found."""
    return place.startswith(_ADDRESS)


def is_several(model: str) -> bool:
    """Whether a model string is what a model on several servers is known by."""
    return model.startswith((f"{ANYWHERE}#", f"{ANYWHERE}?"))


def same_model(one: str, other: str) -> bool:
    """Whether what one was told may be used for the other: the same string, or one is a list with
    the name that the other has at its address."""
    if one == other:
        return True
    if not (is_several(one) or is_several(other)):
        return False
    return all(m.startswith(_ADDRESS) for m in (one, other)) and known(one) == known(other)


def also_known(model: str, places: Sequence[str]) -> tuple[str, ...]:
    """Other model strings of the same model, under which its answers may have been kept: each
    address of a list, and the list's name for an address."""
    if not places:
        return (known(model),) if model.startswith(_ADDRESS) and "#" in model else ()
    alone: list[str] = []
    for place in places:
        with suppress(ValueError):
            alone += lines(place) if place.startswith(_FILE) else [place]
    return tuple(alone)


def lines(place: str) -> list[str]:
    """The addresses in `file:PATH`, or `file:PATH#NAME`, whose name those without one get.

    `#` begins a comment at the start of a line and after white space, since `#` within an address
    begins the model's name. Raises ValueError, naming file and line.
    """
    path, _, name = place.removeprefix(_FILE).partition("#")
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: cannot read it: {said}") from None
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        written = re.sub(r"(^|\s)#.*", "", line).strip()
        if not written:
            continue
        if not written.startswith(_ADDRESS):
            raise ValueError(
                f"{path}:{number}: write http://HOST:PORT/v1#NAME (got {written!r:.80})"
            )
        if "#" not in written:
            if not name:
                raise ValueError(f"{path}:{number}: add the model's name, as in {written}#NAME")
            written = f"{written}#{name}"
        found[written] = None
    if not found:
        raise ValueError(f"{path}: names no server; write one a line, as http://HOST:PORT/v1#NAME")
    return list(found)
