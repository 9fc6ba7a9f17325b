"""One bench-load process: subscribers of one server, and its publisher.

It verifies what it receives. Whatever is wrong (a message lost, twice, out of order or
damaged, a connection closed) comes as LoadError with its own words."""

import json
import os
import select
import subprocess
import time


# Its exit status for a command that makes no sense; the words say whether that is because
# the server's protocol has no such thing.
NO_SUCH_THING = 2


class LoadError(Exception):
    """The generator found a fault, or went away, or did not answer in time."""


class Unsupported(LoadError):
    """The server's protocol has no such thing: no fault of anybody."""


class Load:
    """Commands go in as lines, answers come as one JSON object a line."""

    def __init__(self, program: str, server, clients: int, core: int | None, log: str, **options):
        command = [program, server.dialect, "--connect", server.connect,
                   "--publish", server.publish, "--clients", str(clients)]
        if server.sub_path:
            command += ["--path", server.sub_path]
        if server.publish_path:
            command += ["--publish-path", server.publish_path]
        pids = server.pids()
        if pids:
            command += ["--pid", ",".join(map(str, pids))]
        for name, value in options.items():
            if value is not None:
                command.append("--" + name.replace("_", "-"))
                command += [] if value is True else [str(value)]
        if core is not None:
            command = ["taskset", "-c", str(core)] + command
        self.command = command
        self.clients = clients
        self._log = log
        self._text = b""
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=errors)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, seconds: float) -> dict:
        """Waits until all subscribers stand."""
        return self.wait(seconds, "the subscribers")

    def ask(self, limit: float, name: str, /, **values) -> dict:
        self.send(name, **values)
        return self.wait(limit, name)

    def send(self, name: str, /, **values) -> None:
        words = [name] + [f"{key}={value}" for key, value in values.items()]
        try:
            self._process.stdin.write((" ".join(words) + "\n").encode())
            self._process.stdin.flush()
        except OSError as error:
            raise LoadError(self._why(f"the generator is gone: {error}")) from error

    def wait(self, seconds: float, what: str) -> dict:
        line = self._line(time.monotonic() + seconds, what)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise LoadError(f"{what}: not JSON: {line[:200]!r}") from error
        if not answer.get("ok"):
            if self._ended() == NO_SUCH_THING and "this server" in str(answer.get("error")):
                raise Unsupported(str(answer["error"]))
            raise LoadError(f"{what}: {self._reason(answer)}")
        return answer

    def _ended(self) -> int | None:
        """Its exit status; a fault is the last thing it tells."""
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            return None

    def _reason(self, answer: dict) -> str:
        rest = ", ".join(f"{k} {v}" for k, v in answer.items() if k not in ("ok", "error", "cmd"))
        return str(answer.get("error", "failed")) + (f" ({rest})" if rest else "")

    def _line(self, deadline: float, what: str) -> bytes:
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._text:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LoadError(self._why(f"{what}: no answer in time"))
            readable, _, _ = select.select([pipe], [], [], min(left, 1.0))
            if not readable:
                continue
            some = os.read(pipe, 65536)
            if not some:
                raise LoadError(self._why(f"{what}: the generator ended"))
            self._text += some
        line, _, self._text = self._text.partition(b"\n")
        return line

    def _why(self, text: str) -> str:
        try:
            with open(self._log, encoding="utf-8", errors="replace") as file:
                tail = file.read()[-400:].strip()
        except OSError:
            tail = ""
        return text + (f": {tail}" if tail else "")

    def close(self) -> None:
        """Ends it: by itself, or by force if it does not."""
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
