"""One run under way: its models and judges, what it has spent, and what is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gristmill.backends import ChatBackend, Remembered, open_chat
from gristmill.backends.base import Backend, Traffic
from gristmill.backends.calling import Calling
from gristmill.backends.many import Progress
from gristmill.judges.base import GroupJudge, Judge, Rules
from gristmill.mill.budget import Purse, prices
from gristmill.mill.config import Config
from gristmill.mill.execute import Executor
from gristmill.mill.feed import Feed
from gristmill.mill.generate import Generate
from gristmill.mill.journal import Journal
from gristmill.mill.known import opened_filters
from gristmill.mill.shard import Shard
from gristmill.mill.synthesis import Writing
from gristmill.mill.tally import Tally
from gristmill.mill.write import Passage
from gristmill.records import Response
from gristmill.tools.toolbox import Toolbox


@dataclass
class Session:
    """One process's work on a run, or on one shard of it; what the display looks at while it goes
    on."""

    config: Config
    journal: Journal
    limit: int | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        # Those that look at all responses together come last: they need them all.
        judges = sorted(self.config.open_judges(), key=lambda j: isinstance(j, GroupJudge))
        generate = self.config.generate
        spent, elsewhere = self.journal.spent, self.journal.elsewhere
        paid = prices([*generate, *generate[0].players]), prices(judges)
        self.purse = Purse(self.config.budget, spent, *paid, elsewhere)
        self.judges: list[tuple[Judge, Backend]] = [
            (judge, self._opened(judge, number)) for number, judge in enumerate(judges)
        ]
        self.chats = _opened_chats(generate)
        for chat in self.chats:
            chat.folder = self.journal.folder
        self.tools = self._opened_tools()
        filters = opened_filters(self.config, self.journal)
        self.tally = Tally(filters, self.config.select.weights)
        self.feed = Feed(self.config, self.journal, self.tally, self.limit, self.shard)
        self.executor = Executor(
            self.config, self.journal, self.purse, self.tally, self.chats, self.judges, self.tools
        )
        self.started = time.monotonic()

    def _opened(self, judge: Judge, number: int) -> Backend:
        """The judge's backend. What a chat model answers it is kept, and counted as it comes: it
        is paid for at two prices, and whether or not there is a verdict in it."""

        def paid(answer: Response) -> list[float]:
            self.purse.add_judging(number, *answer.paid)
            return self.purse.spent().as_list()

        backend = judge.open()
        backend.folder = self.journal.folder
        if not isinstance(backend, ChatBackend):
            return backend
        calling = judge if isinstance(judge, Calling) else None
        return Remembered(backend, self.journal.calls, paid, calling)

    def _opened_tools(self) -> Toolbox | None:
        """What the models may call. What models that play tools are paid is counted as it comes."""
        if (listed := self.config.tools()) is None:
            return None
        box = Toolbox(listed)
        for player in box.players:
            player.backend.meter, player.backend.folder = self.purse, self.journal.folder
            player.paid = self.purse.add_played
        return box

    def backends(self) -> list[Backend]:
        """Those that answer first; not those in whose place rules decide."""
        return [*dict.fromkeys(self.chats), *self.playing(), *self.grading()]

    def playing(self) -> list[Backend]:
        """Those that play tools."""
        return [player.backend for player in self.tools.players] if self.tools else []

    def grading(self) -> list[Backend]:
        """Those of judges that ask a model."""
        return [b for _, b in self.judges if not isinstance(b, Rules)]

    @property
    def traffic(self) -> Traffic:
        """What all backends together did in this session."""
        return Traffic.total(backend.traffic for backend in self.backends())

    def passage(self) -> Passage:
        """All that is finished so far, in the input's order."""
        return Passage(self.config, self.journal, self.feed.places)


def _opened_chats(entries: Sequence[Generate]) -> list[ChatBackend]:
    """The backend of each entry of `generate`; entries that call one model alike, and only sample
    otherwise, have one together, for its weights may be here."""
    opened: dict[str, ChatBackend] = {}
    called = [entry.model_dump_json(include=set(Calling.model_fields)) for entry in entries]
    for how, entry in zip(called, entries, strict=True):
        if how not in opened:
            opened[how] = open_chat(entry)
    return [opened[how] for how in called]


Watch = Callable[[Session | Writing | Progress], None]
