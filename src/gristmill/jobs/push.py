"""`gristmill push`: a run's data sets, or a trained model, on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gristmill.errors import BackendFatal, DataError, InputError, MissingExtra
from gristmill.mill.folder import of_run
from gristmill.page.text import one_line
from gristmill.report.card import data_card
from gristmill.report.folder import open_run
from gristmill.storage.tables import parts_of


@dataclass(frozen=True)
class Parcel:
    """What goes to the hub. kind: `dataset` or `model`. files: the path in the repository to a file
    of this machine, or to what it holds."""

    kind: str
    files: dict[str, Path | bytes]

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {
            name: len(held) if isinstance(held, bytes) else held.stat().st_size
            for name, held in self.files.items()
        }


@dataclass(frozen=True)
class Pushed:
    """url: where it is, or would be. private: whether others are kept out. parcel: what went."""

    url: str
    private: bool
    parcel: Parcel


def push(folder: str | Path, name: str, *, public: bool = False, dry_run: bool = False) -> Pushed:
    """Put a folder's results into the repository `org/name`, which is made if it is not there.

    Of a run these are its data sets and a card that names them; not `rejected`, which holds what
    filters took out (personal data, benchmark items), and neither config, log nor report. Of a
    training, or a folder of a model, the model and its card. New repositories are private unless
    `public`. Files of data that an earlier push left there and this one has not are deleted.

    Raises InputError for a folder that has nothing to give, a name that cannot be, or a repository
    that others can read though `public` was not said; BackendFatal where the hub refuses.
    """
    parcel = packed(Path(folder))
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    except ImportError:
        raise MissingExtra("`push` (huggingface_hub)", "hub") from None
    api = HfApi()
    place = api.endpoint if parcel.kind == "model" else f"{api.endpoint}/datasets"
    pushed = Pushed(f"{place}/{name}", not public, parcel)
    there = None
    # What would go can be looked at without the hub, too.
    with suppress(BackendFatal) if dry_run else nullcontext(), _told(name):
        there = _known(api, name, parcel.kind)
    if there is not None:
        pushed = replace(pushed, private=bool(there.private))
        if not (there.private or public):
            raise InputError(f"{pushed.url} can be read by everyone: say --public if it may")
    if dry_run:
        return pushed
    with _told(name):
        api.create_repo(name, repo_type=parcel.kind, private=not public, exist_ok=True)
        old = set(api.list_repo_files(name, repo_type=parcel.kind)) - set(parcel.files)
        # A model's folder may hold what somebody put there; the data of a run is ours alone.
        stale = [path for path in old if path.startswith("data/") and parcel.kind == "dataset"]
        api.create_commit(
            name,
            [
                *(CommitOperationAdd(path, held) for path, held in parcel.files.items()),
                *(CommitOperationDelete(path) for path in sorted(stale)),
            ],
            commit_message="gristmill push",
            repo_type=parcel.kind,
        )
    return pushed


def packed(folder: Path) -> Parcel:
    """What of a folder goes to the hub. Raises DataError where it has nothing to give."""
    told = folder / "run.yaml"
    if told.is_file() and of_run(told):
        run = open_run(folder)
        run = replace(run, tables={n: t for n, t in run.tables.items() if n != "rejected"})
        files: dict[str, Path | bytes] = {"README.md": data_card(run).encode()}
        for name in run.tables:
            for part in parts_of(folder / "data" / f"{name}.parquet"):
                files[part.relative_to(folder).as_posix()] = part
        if not any(run.rows(name) for name in run.tables):
            raise DataError(f"{folder}: has no rows: nothing was kept")
        return Parcel("dataset", files)
    # A training has its card beside the model, a model alone its own.
    model = folder if (folder / "config.json").is_file() else folder / "model"
    if not (model / "config.json").is_file() or not list(model.glob("*.safetensors")):
        raise DataError(f"{folder}: neither the folder of a run nor of a model")
    found = {path.name: path for path in sorted(model.iterdir()) if path.is_file()}
    return Parcel("model", {name: path for name, path in found.items() if name[0] != "."})


def _known(api: Any, name: str, kind: str) -> Any:
    """What the hub says of a repository; None where there is none, or none that we may see."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.repo_info(name, repo_type=kind)
    except RepositoryNotFoundError:
        return None


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the hub and its library refuse, in one line. What they say never holds the token."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage] - of httpx, and httpx2 since 2.0
    )

    try:
        yield
    except HFValidationError as error:
        raise InputError(f"{name}: {one_line(error, 200)}; write ORG/NAME") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        way = "; `hf auth login`, or put a token that may write into HF_TOKEN"
        said = one_line(error.server_message or error, 200)
        raise BackendFatal(f"{name}: {said}{way if status in (401, 403) else ''}") from None
    except (HTTPError, OSError) as error:
        raise BackendFatal(f"{name}: the hub cannot be reached: {one_line(error, 200)}") from None
