"""The system calls a container may make: docker's default profile.

An allow-list for a container with docker's default capabilities: what is not
named here fails with EPERM. An emulated program's calls are made by QEMU, so it is
the host's CPU whose calls are filtered.
https://docs.docker.com/engine/security/seccomp/
"""

from collections.abc import Collection
from typing import Any

_EPERM, _ENOSYS = 1, 38

_PROCESSES = """
    alarm capget capset clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
    clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 adjtimex execve execveat
    exit exit_group fork vfork getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
    getgroups32 getitimer getpgid getpgrp getpid getppid getpriority getresgid getresgid32
    getresuid getresuid32 getrlimit ugetrlimit getrusage getsid gettid gettimeofday getuid getuid32
    kill tkill tgkill nanosleep pause pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease
    process_vm_readv process_vm_writev ptrace restart_syscall rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
    sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
    setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
    setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 sigaltstack signalfd signalfd4
    sigprocmask sigreturn sysinfo time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
    timerfd_settime timerfd_settime64 times umask uname uretprobe wait4 waitid waitpid
    set_tid_address set_thread_area get_thread_area set_robust_list get_robust_list rseq
    landlock_add_rule landlock_create_ruleset landlock_restrict_self membarrier chroot
"""

_MEMORY = """
    brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
    mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
    remap_file_pages futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
"""

_FILES = """
    access cachestat chdir chmod chown chown32 close close_range copy_file_range creat dup dup2
    dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat
    fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
    fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
    futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch ioctl ioprio_get ioprio_set lchown lchown32 lgetxattr link
    linkat listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
    lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
    removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr
    setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync
    sync_file_range syncfs tee truncate truncate64 unlink unlinkat utime utimensat
    utimensat_time64 utimes vmsplice write writev
"""

_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6
    pselect6_time64 select
"""

_COMMUNICATION = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget getrandom
"""

#: Calls that exist on one CPU only; crun passes over those that this one lacks.
_CPU_SPECIFIC = """
    arch_prctl modify_ldt arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint
    cacheflush set_tls swapcontext riscv_flush_icache riscv_hwprobe s390_runtime_instr
    s390_pci_mmio_read s390_pci_mmio_write
"""

#: What a container may call as well with a capability that docker does not give by itself;
#: https://man7.org/linux/man-pages/man7/capabilities.7.html. Each checks the capability anyway.
_WITH = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick mount mount_setattr move_mount
        open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns
        syslog umount umount2 unshare
    """,
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}

#: The personalities of Linux itself, 32-bit Linux, without address randomisation, and "tell me".
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

#: Every CLONE_NEW… flag: a container may not make namespaces.
_NAMESPACE_FLAGS = 0x7E020000

_AF_ALG, _AF_VSOCK = 38, 40

_ARCHITECTURES = {
    "amd64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "arm64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def profile(host_architecture: str, capabilities: Collection[str]) -> dict[str, Any] | None:
    """The `linux.seccomp` object of an OCI runtime configuration, for the host's CPU.

    More is allowed with capabilities that need it.

    None for a host that the profile is not known for.
    """
    architectures = _ARCHITECTURES.get(host_architecture)
    if architectures is None:
        return None
    groups = (_PROCESSES, _MEMORY, _FILES, _WAITING, _COMMUNICATION, _CPU_SPECIFIC)
    more = (calls for capability, calls in _WITH.items() if capability in capabilities)
    names = sorted({name for group in (*groups, *more) for name in group.split()})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": architectures,
        "syscalls": [
            _allow(names),
            *(_allow_if("personality", value, "SCMP_CMP_EQ") for value in _PERSONALITIES),
            *_sockets(),
            *(() if "clone3" in names else _cloning()),
        ],
    }


def _cloning() -> list[dict[str, Any]]:
    """Processes and threads, but no namespaces."""
    return [
        _allow_if("clone", _NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ"),
        # clone3 hides its flags in memory; without it, C libraries fall back to clone.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
    ]


def _sockets() -> list[dict[str, Any]]:
    """Every address family but kernel cryptography and the hypervisor's."""
    return [
        _allow_if("socket", _AF_ALG, "SCMP_CMP_LT"),
        _allow_if("socket", _AF_ALG + 1, "SCMP_CMP_EQ"),
        _allow_if("socket", _AF_VSOCK, "SCMP_CMP_GT"),
    ]


def _allow(names: list[str]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW"}


def _allow_if(name: str, value: int, operator: str) -> dict[str, Any]:
    """Allow a call depending on its first argument."""
    return {**_allow([name]), "args": [{"index": 0, "value": value, "op": operator}]}
