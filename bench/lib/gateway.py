"""What the daemon says of itself: its options, its counters, whether it is ready."""

import http.client
import re
import subprocess
import threading
import time


def has_option(program: str, text: str) -> bool:
    """Whether its help has the text, for options that are not in every version."""
    done = subprocess.run([program, "--help"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20, check=False)
    return text in done.stdout


def get(address: str, path: str, seconds: float = 10) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def counters(address: str) -> dict[str, int]:
    """fanfare_delivered_total 123 -> {"delivered": 123}."""
    _, text = get(address, "/metrics", 60)
    found = re.findall(r"^fanfare_(\w+?)(?:_total)? (\d+)$", text, re.M)
    return {name: int(value) for name, value in found}


class Watch:
    """Asks /ready over and over on a thread, each time on a new connection."""

    PAUSE = 0.02

    def __init__(self, address: str):
        self._address = address
        self._stop = threading.Event()
        self.asked, self.not_ready, self.failed, self.worst = 0, 0, 0, 0.0
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def _loop(self) -> None:
        while not self._stop.wait(self.PAUSE):
            begun = time.monotonic()
            self.asked += 1
            try:
                status, _ = get(self._address, "/ready", 20)
                self.not_ready += status != 200
            except (OSError, http.client.HTTPException):
                self.failed += 1
            self.worst = max(self.worst, time.monotonic() - begun)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(30)

    def figures(self) -> dict:
        return {"ready_asked": self.asked, "ready_refused": self.not_ready,
                "ready_failed": self.failed, "ready_worst_us": self.worst * 1e6}
