"""What lies on the disk: folders with one writer, files whole or not at all, and the log."""

from gristmill.storage.folder import differences, digest, locked, versions, write_atomically

__all__ = ["differences", "digest", "locked", "versions", "write_atomically"]
