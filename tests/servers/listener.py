"""An HTTP server that keeps what is posted to it."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.servers.serving import Quiet, Serving


@dataclass
class Listener:
    """The server. `heard` are paths and bodies; it refuses the first `refuses` posts with status 503."""

    refuses: int = 0
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    attempts: int = 0

    def __enter__(self) -> Self:
        outer = self

        class Handler(Quiet):
            def do_POST(self) -> None:
                body = self.read_body()
                outer.attempts += 1
                taken = outer.attempts > outer.refuses
                if taken:
                    outer.heard.append((self.path, body))
                self.send_response(200 if taken else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._serving = Serving(Handler)
        self.url = self._serving.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.stop()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.heard]
