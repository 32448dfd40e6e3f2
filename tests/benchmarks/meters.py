"""What processes cost: CPU seconds and memory, their children included."""

from collections.abc import Iterable

import psutil


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far, of these processes and all they started, ended ones included."""
    return sum(_cpu(psutil.Process(pid)) for pid in pids)


def memory(pid: int) -> int:
    """Bytes that would be free without this process and its children (unique set size)."""
    process = psutil.Process(pid)
    return sum(each.memory_full_info().uss for each in (process, *process.children(recursive=True)))


def _cpu(process: psutil.Process) -> float:
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
