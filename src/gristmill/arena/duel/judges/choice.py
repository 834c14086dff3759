"""A chat model that is shown both answers, in both orders, and says which is better."""

from __future__ import annotations

from gristmill.arena.duel.judges.base import Judge, Turns, Verdict
from gristmill.backends import ChatBackend
from gristmill.backends.base import Backend
from gristmill.backends.many import both
from gristmill.errors import BackendError
from gristmill.judges._asking import Asking, Said, end_of
from gristmill.records import Message


class Choice(Asking, Judge):
    """Asks twice. The same answer both times wins; another one each time is a tie, for then the
    judge looked at the place and not at the answer. A reply that names neither is no verdict."""

    def open(self) -> ChatBackend:
        return Asking.open(self)

    async def decide(self, backend: Backend, prompt: Turns, a: str, b: str) -> Verdict:
        answers = ((Message("assistant", a),), (Message("assistant", b),))
        straight, turned = await both(
            self.choose(backend, prompt, answers), self.choose(backend, prompt, answers[::-1])
        )
        first, second = _place(straight), 1 - _place(turned)
        winner = "tie" if first != second else ("model_a", "model_b")[first]
        replies = (straight.reply, turned.reply)
        used = sum(sum(r.paid) for r in replies)
        said = (straight.reply.text, turned.reply.text)
        return Verdict(winner, first != second, said, tokens=used)


def _place(said: Said) -> int:
    if said.choice is None:
        raise BackendError("unreadable", f"no verdict, [[A]] or [[B]], {end_of(said.reply)}")
    return said.choice
