"""Every error that gristmill raises on purpose, and who reads it.

    GristmillError                 something the user can act on; the CLI prints it as one line
    ├── InputError                 bad usage or bad input: exit code 2
    │   ├── ConfigError            a key or value of a config, or a model string
    │   │   └── MissingKey         the environment variable that is to hold a key is empty
    │   ├── DataError              a line, column or file of the user's data
    │   ├── MissingExtra           an optional dependency is not installed
    │   ├── CheckpointError        a run's folder cannot be resumed as it stands
    │   └── StorageError           the disk refused a write (full, read-only, no permission)
    └── RunError                   the work itself failed: exit code 1
        ├── BackendError           one call to a model failed, after its retries
        └── BackendFatal           no later call can succeed either (wrong key, unknown model)

A `BackendError` is data to the mill: it becomes a rejected row with the reason
`error:<kind>` and is tried again on resume. It never becomes a score. Everything else stops
the run; what was finished stays in the checkpoint.

Messages name what was wrong, where (file, line, field), and what to do about it.
"""

from __future__ import annotations


class GristmillError(Exception):
    """Base of the tree. `exit_code` is what the command line exits with."""

    exit_code = 1


class InputError(GristmillError):
    """The user gave something that cannot be used."""

    exit_code = 2


class ConfigError(InputError):
    """A config file, key, value or model string is wrong."""


class MissingKey(ConfigError):
    """A model needs a key, and the environment variable for it holds none."""


class DataError(InputError):
    """A data file, or a line or column of it, is wrong."""


class MissingExtra(InputError):
    """An optional dependency is needed and absent. The message holds the pip command."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'gristmill[{extra}]'")
        self.extra = extra


class CheckpointError(InputError):
    """The run's folder belongs to another config, is in use, or is damaged."""


class StorageError(InputError):
    """The file system refused a write."""


class RunError(GristmillError):
    """The work failed for a reason outside the user's input."""


class BackendError(RunError):
    """One call to a model failed for good, that is after its retries.

    `kind` is a short stable word that ends up in `error:<kind>` reasons: `timeout`,
    `rate_limited`, `server`, `connection`, `bad_reply`, `bad_request`, `too_long`,
    `content_filter`, `unreadable`, `budget`, `bad_tools`; of judges by rules `bad_truth`,
    `bad_tests`, `sandbox`, `judge`. `field` is the field of the request that a server says it does
    not take, '' where it named none.
    """

    def __init__(self, kind: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.field = field


class BackendFatal(RunError):
    """The model cannot be called at all; going on would only burn the prompts."""
