"""What lies on the disk: folders with one writer, files whole or not at all, logs, and leases."""

from gristmill.storage.folder import (
    check_file,
    check_free,
    differences,
    digest,
    folder_of,
    is_locked,
    locked,
    read_saved,
    versions,
    write_atomically,
)

__all__ = [
    "check_file",
    "check_free",
    "differences",
    "digest",
    "folder_of",
    "is_locked",
    "locked",
    "read_saved",
    "versions",
    "write_atomically",
]
