"""Many random kill -9 of a corpus run against the rehearsal server. Run: python tests/bench/kills.py [kills] [count]

Prints how often the run was killed, how many answers were given twice (only those in flight at a kill may be)
and whether the corpus equals that of a run which nobody killed.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import killing  # noqa: E402

CONCURRENCY = 32
PORT = 4297


def prefect(folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(PORT), "--no-ui"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(120):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/health", timeout=2).close()
            return server
        except OSError:
            time.sleep(1)
    raise SystemExit("the Prefect server did not start")


def main(kills: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        server = prefect(folder)
        try:
            api = f"http://127.0.0.1:{PORT}/api"
            began = time.time()
            outcome, root = killing.killed(folder, api, kills, count, CONCURRENCY, say=lambda line: say(line))
            whole, code = killing.whole(folder, api, count, CONCURRENCY)
            say(f"{outcome._asdict()}")
            say(f"concurrency {CONCURRENCY}, {time.time() - began:.0f} s; whole run ended with {code}")
            say(
                f"tables that differ: {killing.differences(root, whole)}; files: {killing.files_differ(root, whole)}"
            )
        finally:
            server.terminate()
            server.wait(30)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*(int(each) for each in [*sys.argv[1:], *("50", "300")[len(sys.argv) - 1 :]]))
