"""System calls that a program in the sandbox may not make: those that take memory which no resource limit
counts (shared memory, memory files, io_uring), and those that only ever served a break-out.

A seccomp filter in the kernel's classic BPF, as `bwrap --seccomp` reads it (linux/seccomp.h, linux/filter.h)."""

from __future__ import annotations

import platform
import struct

# Numbers of the x86-64 table (arch/x86/entry/syscalls/syscall_64.tbl).
_DENIED = {
    "shmget": 29,
    "shmat": 30,
    "semget": 64,
    "msgget": 68,
    "ptrace": 101,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "memfd_create": 319,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "memfd_secret": 447,
}
_X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64
_X32 = 0x40000000  # the same calls under another numbering
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_KILL, _ALLOW, _NOT_PERMITTED = 0x80000000, 0x7FFF0000, 0x00050001


def filter_program() -> bytes:
    """The filter, or nothing on another kind of machine than x86-64: the sandbox's other walls stand there too."""
    if platform.machine() != "x86_64":
        return b""
    denied = list(_DENIED.values())
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _X86_64), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    steps.append((_AT_LEAST, len(denied) + 1, 0, _X32))
    steps += [(_EQUAL, len(denied) - place, 0, number) for place, number in enumerate(denied)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOT_PERMITTED)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
