"""How battles are made into ratings: what `gristmill arena rank` may be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gristmill.parts import Options


class Settings(Options):
    """How battles are made into ratings."""

    method: Literal["bt", "davidson", "rao-kupper", "elo"] = "bt"
    """bt: Bradley-Terry, a tie is half a win each. davidson, rao-kupper: ties have a parameter of
    their own. elo: online, in order of time."""
    ci: Literal["sandwich", "bootstrap", "cluster"] | None = None
    """Intervals; by default sandwich, and bootstrap for elo. cluster: see `cluster_by`."""
    cluster_by: Literal["judge", "prompt", "id"] = "id"
    """What votes have in common that are not independent, with `ci: cluster`."""
    rounds: int = Field(default=1000, ge=2, le=100_000)
    """Of the bootstrap."""
    seed: int = Field(default=0, ge=0)
    """Of the bootstrap and of simulated judges."""
    style: bool = False
    """Fit the answers' length and Markdown beside the ratings, so that these are of equal style."""
    covariates: tuple[str, ...] = ()
    """Columns to fit instead of those counted in the texts: by how much A exceeds B."""
    l2: float = Field(default=0.0, ge=0)
    """Precision of a normal prior on strengths (natural logarithms). 0: none, plain likelihood.
    Above 0 every model has a finite rating, drawn towards the mean."""
    category: str = "overall"
    """The board: `overall`, or one of `boards.there`."""
    anchor: tuple[str, float] | None = None
    """A model and the rating that it shall have; the others move along."""
    flag_rate: float = Field(default=0.01, gt=0, lt=1)
    """The share of honest judges that may be flagged by chance."""

    @model_validator(mode="after")
    def _elo(self) -> Settings:
        if self.method != "elo":
            return self
        if self.ci in ("sandwich", "cluster"):
            raise ValueError(f"elo has no {self.ci} intervals; use bootstrap")
        if self.style or self.covariates or self.l2:
            raise ValueError("elo has no style control and no prior; use bt")
        return self

    @property
    def intervals(self) -> str:
        """The kind of intervals that is meant."""
        return self.ci or ("bootstrap" if self.method == "elo" else "sandwich")

    @property
    def wanted(self) -> frozenset[str]:
        """The columns that `read` has to read for it."""
        found = {"judge"}
        if self.method == "elo":
            found.add("time")
        if self.intervals == "cluster":
            found.add(self.cluster_by)
        if self.style and not self.covariates:
            found.add("style")
        if self.category != "overall":
            found |= {"tags", "turns", "language"}
        return frozenset(found)
