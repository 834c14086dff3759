"""What every judge is."""

from __future__ import annotations

from gristmill.backends.base import Backend
from gristmill.parts import Options
from gristmill.records import Prompt, Response, Verdict


class Judge(Options):
    """A validated config with one method. To add one, override `open` and `judge`.

    The class of `judges/my_judge.py` is called `MyJudge`; the config names it `my_judge`.
    """

    def open(self) -> Backend:
        """The backend that does the calls, not yet entered. The mill opens and closes it."""
        raise NotImplementedError

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        """Grade one response. Raises BackendError when there is no verdict; never a default."""
        raise NotImplementedError
