"""A server that was not reached: what the HTTP client says of it, as a fault with what to do."""

from __future__ import annotations

import os

import aiohttp

from gristmill.backends.fault import Fault

PROXY = "see HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment"
_SELF, _UNKNOWN, _EXPIRED, _EARLY, _NAMES = (18,), (2, 19, 20, 21), (10,), (9,), (62, 64)
"""OpenSSL's numbers for what is wrong with a certificate (X509_V_ERR_...)."""


def fault_of_error(error: Exception) -> Fault:
    """The fault that an exception of the HTTP client stands for."""
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        fault = Fault("timeout", "no reply in time")
        fault.overload = True
    elif isinstance(error, aiohttp.ClientConnectorCertificateError):
        fault = _certificate(error.certificate_error)
    elif isinstance(error, aiohttp.ClientConnectorSSLError) and "WRONG_VERSION_NUMBER" in text:
        fault = _never("what listens there does not speak TLS", "write http:// for https://")
    elif isinstance(error, aiohttp.ClientProxyConnectionError):
        fault = Fault("connection", f"its proxy is not reached: {text}")
        fault.offline, fault.advice = True, PROXY
    elif isinstance(error, aiohttp.ClientConnectorError):
        # aiohttp says how it would check a certificate, of http too.
        fault = Fault("connection", text.replace(" ssl:default", ""))
        fault.offline = True
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        fault = Fault("connection", f"its proxy answers HTTP {error.status} {error.message}")
        fault.fatal, fault.advice = 400 <= error.status < 500, PROXY
    elif isinstance(error, aiohttp.ClientResponseError):
        # Not its str(): that may hold the request's headers, and with them the key.
        fault = Fault("bad_reply", f"not HTTP: {error.message}")
    else:
        fault = Fault("connection", text)
    return fault


def _certificate(error: Exception) -> Fault:
    """That of a certificate which is not believed: time cures none of it."""
    number = getattr(error, "verify_code", 0)
    said = getattr(error, "verify_message", "") or str(error)
    if number in _SELF:
        what, advice = "is signed by itself alone", _trusted("the certificate")
    elif number in _UNKNOWN:
        what = "is signed by an authority that this machine does not know"
        advice = _trusted("that authority's certificate")
    elif number in _EXPIRED:
        what, advice = "has expired", "have it renewed, or put this machine's clock right"
    elif number in _EARLY:
        what, advice = "is not valid yet", "put this machine's clock right, or the server's"
    elif number in _NAMES:
        what, advice = "is another host's", "write the name that it is for into the model string"
    else:
        what, advice = "is not accepted", _trusted("the certificate that it is signed with")
    return _never(f"its TLS certificate {what} ({said.rstrip('.')})", advice)


def _trusted(what: str) -> str:
    """How to have a certificate believed."""
    named = os.environ.get("SSL_CERT_FILE")
    if named and not os.access(named, os.R_OK):
        return f"SSL_CERT_FILE names {named}, which cannot be read"
    now = f", which now names {named}" if named else ""
    return f"if it is the server that you mean, name a file of {what} (PEM) in SSL_CERT_FILE{now}"


def _never(message: str, advice: str) -> Fault:
    fault = Fault("connection", message, again=False)
    fault.fatal, fault.advice = True, advice
    return fault
