"""What lies on the disk: folders with one writer, files whole or not at all, logs, and leases."""

from gristmill.storage.folder import (
    differences,
    digest,
    folder_of,
    is_locked,
    locked,
    versions,
    write_atomically,
)

__all__ = [
    "differences",
    "digest",
    "folder_of",
    "is_locked",
    "locked",
    "versions",
    "write_atomically",
]
