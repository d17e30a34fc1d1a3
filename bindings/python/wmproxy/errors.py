"""The exceptions: one class per status, each of which is also the built-in that a Python program would catch.

``WMProxyError`` is the root of all of them. Its message is the engine's whole sentence: what, where, and what to do.
Wrong arguments that never reach the engine (a negative timeout, a name with a NUL in it) are the plain ValueError or
TypeError.
"""

from __future__ import annotations

import errno as _errno
import socket as _socket

from ._abi import Status
from ._library import lib

__all__ = [
    "AccessError",
    "AddressInUseError",
    "AddressNotAvailableError",
    "AlreadyExistsError",
    "AuthError",
    "CertificateError",
    "ClosedError",
    "ConfigError",
    "ConfigFileError",
    "DeadlockError",
    "ForkedError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfFilesError",
    "OutOfMemoryError",
    "PeerVersionError",
    "ProtocolError",
    "RefusedError",
    "ResolveError",
    "StateError",
    "StoppedError",
    "SystemCallError",
    "TLSError",
    "CertificateExpiredError",
    "CertificateNotYetValidError",
    "CertificateHostError",
    "CertificateAuthorityError",
    "CertificateFingerprintError",
    "CertificateRequiredError",
    "UnreachableError",
    "WMProxyError",
    "WaitTimeoutError",
]


class WMProxyError(Exception):
    """Any error of this package. The subclasses have the status in ``status`` of the class."""

    #: The code, such as ``Status.EAUTH``.
    status: Status = Status.EINTERNAL
    _errno: int | None = None

    def __init__(self, message: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = Status(status)
        if isinstance(self, OSError):
            _complete(self, self._errno, message)

    def __str__(self) -> str:
        return self.message

    @property
    def name(self) -> str:
        """The name of the code as in the C header, such as "WMP_EAUTH"."""
        text: bytes = lib.wmp_status_name(int(self.status))
        return text.decode()

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later with nothing changed by the caller."""
        return bool(lib.wmp_status_is_retryable(int(self.status)))


def _complete(failure: OSError, number: int | None, message: str) -> None:
    failure.errno = number
    failure.strerror = message


# The call is wrong.


class InvalidArgumentError(WMProxyError, ValueError):
    """An argument is out of range or not UTF-8."""

    status = Status.EINVAL


class StoppedError(WMProxyError, ValueError):
    """The server or client has been stopped: like a closed file, it can no longer be used."""

    status = Status.EHANDLE


class StateError(WMProxyError, RuntimeError):
    """Not possible in the present state; the message says why."""

    status = Status.ESTATE


class DeadlockError(WMProxyError, RuntimeError):
    """A server or client cannot be stopped from inside a callback, which it would wait for."""

    status = Status.EDEADLOCK


class ForkedError(WMProxyError, RuntimeError):
    """The server or client belongs to the parent of a fork. The child may make its own."""

    status = Status.EFORKED


class NotFoundError(WMProxyError, LookupError):
    """No mapping or listener of that name."""

    status = Status.ENOTFOUND


class AlreadyExistsError(WMProxyError, ValueError):
    """The name, the domain or the port is taken by another mapping."""

    status = Status.EEXIST


# The configuration is wrong.


class ConfigError(WMProxyError, ValueError):
    """The configuration is wrong. The message names the line and the column."""

    status = Status.ECONFIG


class ConfigFileError(ConfigError, OSError):
    """A file is missing or cannot be read: the configuration, or one that it names."""

    status = Status.EFILE


class CertificateError(ConfigError):
    """A certificate or key does not parse, or the two do not belong together."""

    status = Status.ECERTIFICATE


# This machine says no.


class AddressInUseError(WMProxyError, OSError):
    """The port is taken."""

    status = Status.EADDRINUSE
    _errno = _errno.EADDRINUSE


class AddressNotAvailableError(WMProxyError, OSError):
    """This machine has no such address."""

    status = Status.EADDRNOTAVAIL
    _errno = _errno.EADDRNOTAVAIL


class AccessError(WMProxyError, PermissionError):
    """The system does not permit it, for example a port below 1024."""

    status = Status.EACCES
    _errno = _errno.EACCES


class ResolveError(WMProxyError, _socket.gaierror):
    """A host name was not found."""

    status = Status.ERESOLVE
    _errno = _socket.EAI_NONAME


class UnreachableError(WMProxyError, ConnectionError):
    """The connection was refused, or there is no way there."""

    status = Status.EUNREACHABLE


class OutOfFilesError(WMProxyError, OSError):
    """Out of file descriptors."""

    status = Status.ENOFILES
    _errno = _errno.EMFILE


class SystemCallError(WMProxyError, OSError):
    """Another system call failed. The message names it and its errno."""

    status = Status.ESYSTEM


# The other end says no.


class AuthError(WMProxyError, PermissionError):
    """The login was refused: wrong secret, unknown user, or the server did not prove itself."""

    status = Status.EAUTH


class ProtocolError(WMProxyError, ConnectionError):
    """The peer does not speak this protocol, or broke it."""

    status = Status.EPROTOCOL


class PeerVersionError(ProtocolError):
    """The peer speaks no version that this library speaks."""

    status = Status.EVERSION


class TLSError(WMProxyError, ConnectionError):
    """The TLS handshake failed: version, or no TLS on the other side. Its subclasses: a certificate."""

    status = Status.ETLS


class CertificateExpiredError(TLSError):
    """A certificate's time is over."""

    status = Status.ECERTEXPIRED


class CertificateNotYetValidError(TLSError):
    """A certificate's time has not begun, or a clock is wrong."""

    status = Status.ECERTNOTYETVALID


class CertificateHostError(TLSError):
    """The server's certificate is for another host."""

    status = Status.ECERTHOST


class CertificateAuthorityError(TLSError):
    """No authority that is trusted has signed a certificate."""

    status = Status.ECERTAUTHORITY


class CertificateFingerprintError(TLSError):
    """The server's certificate is not the pinned one."""

    status = Status.ECERTFINGERPRINT


class CertificateRequiredError(TLSError):
    """The server wants a certificate of the client, who showed none."""

    status = Status.ECERTREQUIRED


class RefusedError(WMProxyError):
    """The server does not allow it, or a limit is reached."""

    status = Status.EREFUSED


class ClosedError(WMProxyError, ConnectionError):
    """The connection was lost, or the server or client is being stopped."""

    status = Status.ECLOSED


# Time, and the library itself.


class WaitTimeoutError(WMProxyError, TimeoutError):
    """Not done within the time given."""

    status = Status.ETIMEOUT
    _errno = _errno.ETIMEDOUT


class OutOfMemoryError(WMProxyError, MemoryError):
    """Out of memory, or a memory budget is spent."""

    status = Status.ENOMEM


class InternalError(WMProxyError, RuntimeError):
    """A defect in the library: please report it, with the message."""

    status = Status.EINTERNAL


_classes = {
    value.status: value
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, WMProxyError) and value is not WMProxyError
}


def error(status: int, message: str) -> WMProxyError:
    """The exception for a status of the engine. A code of a later library gets the class of its kind."""
    kind = _classes.get(Status(status))
    if kind is None:
        kind = ConfigError if -40 < status <= -20 else WMProxyError
    return kind(message, status)
