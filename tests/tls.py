"""An authority of a test's own, and certificates that it signs, made by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


class Authority:
    """A private authority. file: its certificate, for who is to trust it."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl on this machine")
        self._folder = folder
        self.file = folder / "authority.pem"
        self._self_signed("authority", "/CN=Test authority")

    def signs(self, names: str = "IP:127.0.0.1", days: int = 2) -> ssl.SSLContext:
        """What a server with a certificate for `names` needs. days: until it ends, from now on;
        below 0 for one that has ended."""
        files = ("-keyout", "key.pem", "-out", "asked.csr")
        self._openssl("req", "-new", *_KEY, *files, "-subj", "/CN=server")
        (self._folder / "names").write_text(f"subjectAltName={names}\n")
        by = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial")
        asked = ("-in", "asked.csr", "-extfile", "names", "-out", "signed.pem")
        self._openssl("x509", "-req", *asked, *by, "-days", str(days))
        return self._context("signed.pem", "key.pem")

    def unsigned(self) -> ssl.SSLContext:
        """What a server with a certificate that it signed itself needs."""
        self._self_signed("own", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
        return self._context("own.pem", "own.key")

    def _self_signed(self, name: str, subject: str, *more: str) -> None:
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        self._openssl("req", "-x509", *_KEY, *files, "-subj", subject, "-days", "2", *more)

    def _context(self, certificate: str, key: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._folder / certificate, self._folder / key)
        return context

    def _openssl(self, *words: str) -> None:
        command = ["openssl", *words]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, timeout=30)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
