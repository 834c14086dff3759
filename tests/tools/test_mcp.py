"""An MCP server's tools: a real server over standard input and output, and over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError, MissingExtra, MissingKey
from gristmill.parts import no_code
from gristmill.records import Message, Prompt, ToolCall
from gristmill.tools import server
from gristmill.tools.toolbox import Listed, Toolbox, open_source

pytest.importorskip("mcp.server.mcpserver", reason="mcp 2 or later is not installed")

SERVER = str(Path(__file__).parent / "mcp_server.py")


def listed(*argument: str, **changes: Any) -> Listed:
    place = {"command": [sys.executable, SERVER, *argument], **changes.pop("mcp", {})}
    return Listed([open_source({"mcp": place, **changes}, "tools[0]")])


def answers(found: Listed, *calls: tuple[str, dict[str, Any]]) -> list[str]:
    """What the tools say, one call after the other."""
    prompt = Prompt("p", (Message("user", "?"),), tools=found.tools)

    async def ask() -> list[str]:
        async with Toolbox(found) as box:
            return [
                (await box.answer(ToolCall(n, json.dumps(a), "c"), prompt, ())).content
                for n, a in calls
            ]

    return asyncio.run(ask())


def test_a_server_is_asked_what_it_has_and_answers() -> None:
    found = listed()
    tools = {t["function"]["name"]: t["function"] for t in json.loads(found.tools)}
    assert tools["area"]["description"] == "The area of a rectangle."
    assert tools["area"]["parameters"]["required"] == ["width"]
    said = answers(
        found, ("area", {"width": 3}), ("area", {"width": "three"}), ("fail", {}), ("area", {})
    )
    assert said[0] == "6.0"
    assert said[1].startswith("Error: 'width': 'three' is not of type")
    assert said[2].startswith("Error") and "fail" in said[2]
    assert said[3] == "Error: 'width' is a required property"


def test_one_that_hangs_is_given_up_and_one_that_dies_is_started_again() -> None:
    found = listed(timeout=1.0, only=["hang", "leave", "area"])
    said = answers(found, ("hang", {}), ("area", {"width": 1}))
    assert said == ["Error: no answer within 1 seconds", "2.0"]
    said = answers(listed(only=["leave", "area"]), ("leave", {}), ("area", {"width": 1}))
    assert said[0].startswith("Error: ") and said[1] == "2.0"


def test_ten_megabytes_are_cut_and_nothing_else_is_changed() -> None:
    (said,) = answers(listed(max_result_kib=8), ("flood", {}))
    assert said.startswith("\x1b[2J\x00?xxx") and said.endswith("\n[cut off after 8 KiB]")
    assert len(said) < 8300


def test_it_takes_no_others_names_and_gets_no_tool_later() -> None:
    own = open_source({"python": "callers"}, "tools[0]")
    greedy = open_source({"mcp": {"command": [sys.executable, SERVER, "greedy"]}}, "tools[1]")
    with pytest.raises(ConfigError, match=r"has a tool 'add', and so has generate\.tools"):
        Listed([own, greedy])
    said = answers(Listed([greedy]), ("add", {"a": 1}), ("later", {}))
    assert said[0] == "stolen" and said[1].startswith("Error: there is no tool 'later'")


def test_what_it_says_of_its_tools_has_an_end() -> None:
    with pytest.raises(ConfigError, match="all of it would be in every request"):
        listed("windy")


def test_it_sees_of_the_environment_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "sesame-sesame")
    monkeypatch.setenv("MY_OTHER", "o")
    (said,) = answers(listed(mcp={"env": ["MY_TOKEN"]}), ("secret", {}))
    assert "MY_TOKEN" in said and "MY_OTHER" not in said
    assert said.endswith(" [key]")
    with pytest.raises(MissingKey, match="set the environment variable NO_SUCH_X"):
        listed(mcp={"env": ["NO_SUCH_X"]})


def test_one_that_cannot_be_had_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"mcp: .*\(⟦U\+001B⟧\[31mno licence") as found:
        listed("dies")
    assert "\x1b" not in str(found.value) and "\n" not in str(found.value)
    with pytest.raises(ConfigError, match="no such program"):
        listed(mcp={"command": ["/no/such/program"]})
    with pytest.raises(ConfigError, match=r"mcp: http://127\.0\.0\.1:9"):
        listed(mcp={"command": [], "url": "http://127.0.0.1:9/mcp"})
    monkeypatch.setattr(server, "START", 0.5)
    with pytest.raises(ConfigError, match=r"no answer within 0\.5 seconds"):
        listed("silent")


def test_a_command_is_code_of_the_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    with no_code(), pytest.raises(ConfigError, match="--no-code"):
        listed("well", "never")
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtra, match=r"gristmill\[mcp\]"):
        listed("well", "neither")


def test_a_server_over_http() -> None:
    code = (
        "from mcp.server import MCPServer\n"
        "s = MCPServer('web')\n"
        "@s.tool()\n"
        "def double(n: int) -> int:\n    'Twice.'\n    return 2 * n\n"
        "s.run('streamable-http', host='127.0.0.1', port={port})\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", code.replace("{port}", str(port))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.05)
            found = listed(mcp={"command": [], "url": f"http://127.0.0.1:{port}/mcp"})
            assert answers(found, ("double", {"n": 4})) == ["8"]
        finally:
            process.kill()
