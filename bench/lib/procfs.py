"""What /proc tells: memory of processes and of the kernel, CPU time, limits."""

import os
import resource

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def _fields(path: str) -> dict[str, int]:
    """'Name:  123 kB' lines, in bytes."""
    fields = {}
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.replace(":", " ").split()
            if len(words) >= 3 and words[-1] == "kB" and words[1].isdigit():
                fields[words[0]] = int(words[1]) * 1024
    return fields


def user_memory(pids) -> dict[str, int]:
    """Bytes that the processes have for themselves (private), of these not from files
    (anonymous), their shares of all they have mapped (pss), and what is resident."""
    total = {"private": 0, "anonymous": 0, "pss": 0, "rss": 0}
    for pid in pids:
        fields = _fields(f"/proc/{pid}/smaps_rollup")
        total["private"] += fields["Private_Clean"] + fields["Private_Dirty"]
        total["anonymous"] += fields["Anonymous"]
        total["pss"] += fields["Pss"]
        total["rss"] += fields["Rss"]
    return total


def peak_memory(pids) -> int:
    """The most that was resident since clear_peak."""
    return sum(_fields(f"/proc/{pid}/status").get("VmHWM", 0) for pid in pids)


def clear_peak(pids) -> None:
    for pid in pids:
        try:
            with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
        except OSError:
            pass  # not our process: the peak is then that of its whole life


def kernel_memory() -> dict[str, int]:
    """Bytes of the whole machine: slabs, and what TCP's buffers hold."""
    fields = _fields("/proc/meminfo")
    memory = {"slab": fields["Slab"], "unreclaimable": fields["SUnreclaim"], "tcp": 0, "sockets": 0}
    with open("/proc/net/sockstat", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[:1] == ["TCP:"]:
                values = dict(zip(words[1::2], words[2::2]))
                memory["tcp"] = int(values.get("mem", 0)) * PAGE
                memory["sockets"] = int(values.get("inuse", 0))
    return memory


def available_memory() -> int:
    return _fields("/proc/meminfo").get("MemAvailable", 0)


def total_memory() -> int:
    return _fields("/proc/meminfo").get("MemTotal", 0)


def filesystem(path: str) -> str:
    """The type of the one that the path is on."""
    path, found = os.path.realpath(path), ("", "unknown")
    with open("/proc/mounts", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, place, kind = line.split()[:3]
            if os.path.commonpath((place, path)) == place and len(place) >= len(found[0]):
                found = (place, kind)
    return found[1]


def cpu_seconds(pids) -> float:
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            after = file.read().rsplit(")", 1)[1].split()
        ticks += int(after[11]) + int(after[12])
    return ticks / TICK


def raise_descriptor_limit() -> int:
    """Lets this process and its children open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard
