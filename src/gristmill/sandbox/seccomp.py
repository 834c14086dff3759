"""The system calls that a sandbox refuses, as a filter that the kernel runs (seccomp).

Namespaces and resource limits leave gaps, which this closes: memory that belongs to no process
(memfd, System V, pages lent to a pipe, events that nobody reads, enlarged buffers of sockets),
namespaces within the namespace, sockets that network namespaces do not hold (AF_VSOCK reaches a
virtual machine's host), and parts of the kernel that programs like these never need and attacks
often do. Numbers and layout: linux/audit.h, linux/seccomp.h, linux/filter.h and the kernel's system
call tables.
"""

from __future__ import annotations

import errno
import platform
import struct

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables below, and the kernel's name of the architecture (AUDIT_ARCH_*)."""

_REFUSED = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "open_by_handle_at": (304, 265),
    "vmsplice": (278, 75),
    "inotify_init": (253, 26),  # ARM64 has the next one alone
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
}
_CLONE, _CLONE3, _SOCKET, _SETSOCKOPT = (56, 220), (435, 435), (41, 198), (54, 208)
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_FAMILIES = (1, 2, 10)
"""Sockets that exist: AF_UNIX, AF_INET, AF_INET6."""
_NETLINK, _ROUTE = 16, 0
"""And AF_NETLINK with the protocol that lists interfaces: others carry a program's own data."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT, _SECOND, _THIRD = 0, 4, 16, 24, 32
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000
"""System calls of the x32 interface have other numbers, and no program needs them."""


def supported() -> bool:
    """Whether there is a filter for this machine."""
    return platform.machine() in _ARCHITECTURES


def program() -> bytes:
    """The filter for this machine, as `bwrap --seccomp` reads it."""
    column, architecture = _ARCHITECTURES[platform.machine()]
    refuse = _step(_RETURN, _ERROR | errno.EPERM)
    steps = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, architecture, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if column == 0:
        steps += [_step(_AT_LEAST, _X32, no=1), refuse]
    for numbers in _REFUSED.values():
        steps += [_step(_EQUAL, numbers[column], no=1), refuse]
    # The flags of clone3 lie in memory, where no filter looks: without it, libraries use clone.
    missing = _step(_RETURN, _ERROR | errno.ENOSYS)
    steps += [_step(_EQUAL, _CLONE3[column], no=1), missing]
    allow = _step(_RETURN, _ALLOW)
    steps += [_step(_EQUAL, _CLONE[column], no=4), _step(_LOAD, _ARGUMENT)]
    steps += [_step(_ANY_BIT, _NEW_NAMESPACES, no=1), refuse, allow]
    # A size of a buffer is a wish, which the kernel cuts down without a word, and so does this.
    steps += [_step(_EQUAL, _SETSOCKOPT[column], no=7), _step(_LOAD, _SECOND)]
    steps += [_step(_EQUAL, _SOL_SOCKET, no=4), _step(_LOAD, _THIRD)]
    steps += [_step(_EQUAL, _SO_SNDBUF, yes=1), _step(_EQUAL, _SO_RCVBUF, no=1)]
    steps += [_step(_RETURN, _ERROR), allow]
    steps += [_step(_EQUAL, _SOCKET[column], yes=1), allow, _step(_LOAD, _ARGUMENT)]
    for family in _FAMILIES:
        steps += [_step(_EQUAL, family, no=1), allow]
    steps += [_step(_EQUAL, _NETLINK, no=3), _step(_LOAD, _THIRD)]
    steps += [_step(_EQUAL, _ROUTE, no=1), allow]
    return b"".join([*steps, _step(_RETURN, _ERROR | errno.EAFNOSUPPORT)])


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many of the next it skips."""
    return struct.pack("HBBI", code, yes, no, value)
