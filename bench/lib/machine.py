"""What the figures were measured on, and which core runs what."""

import os
import platform
import re
import subprocess

from lib import procfs


def output(command: list[str], cwd: str | None = None) -> str:
    """The first line a command prints, or nothing."""
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _cpu() -> tuple[str, bool]:
    text = _read("/proc/cpuinfo")
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.M)
    virtual = re.search(r"^flags\s*:.*\bhypervisor\b", text, re.M)
    return (model.group(1) if model else platform.machine()), bool(virtual)


def _system() -> str:
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.M)
    return name.group(1) if name else platform.system()


def describe() -> dict:
    model, virtual = _cpu()
    return {
        "cpu": model,
        "virtual": virtual,
        "cores": len(os.sched_getaffinity(0)),
        "memory": procfs.total_memory(),
        "system": _system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "descriptors": procfs.raise_descriptor_limit(),
        "compiler": output(["cc", "--version"]),
        "tcp_wmem": " ".join(_read("/proc/sys/net/ipv4/tcp_wmem").split()),
        "tcp_rmem": " ".join(_read("/proc/sys/net/ipv4/tcp_rmem").split()),
        "somaxconn": _read("/proc/sys/net/core/somaxconn"),
    }


def same(one: dict, other: dict) -> bool:
    """Whether figures of the two may stand beside each other."""
    return all(one.get(k) == other.get(k) for k in ("cpu", "cores", "memory", "architecture"))


def revision(root: str) -> str:
    """The commit, '+' if something in the tree differs from it; nothing without git."""
    commit = output(["git", "rev-parse", "--short=10", "HEAD"], cwd=root)
    if not commit:
        return ""
    changed = output(["git", "--no-optional-locks", "status", "--porcelain",
                      "--untracked-files=no"], cwd=root)
    return commit + ("+" if changed else "")


def flags(build: str) -> str:
    """What the daemon was compiled with."""
    found = re.search(r"^CFLAGS = (.*)$", _read(os.path.join(build, "Makefile")), re.M)
    return found.group(1) if found else ""


def cores() -> tuple[int | None, int | None]:
    """(the server's core, the generator's core); no pinning on a single core."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return None, None
    return usable[0], usable[1]
