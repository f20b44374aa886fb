"""`seedloom up`: a Prefect server on loopback, a worker for each pool and the deployments, until Ctrl-C."""

import contextlib
import os
import secrets
import shlex
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.children import Children
from flows.console import stdout
from schemas.errors import BadInput, SeedloomError
from schemas.place import shown
from schemas.settings import Settings
from warehouse.files import make_folder
from warehouse.manifest import locked

HOST = "127.0.0.1"  # never anything else: deployments/README.md says how several machines are served
# Flow runs at the same time in each pool. A stage uses all cores by itself; the second place on the CPU lets
# a small run by hand pass the nightly one. Two trainings would not fit one GPU.
POOLS = {"cpu": 2, "gpu": 1}
DEPLOYMENTS = Path(__file__).parents[1] / "deployments" / "prefect.yaml"
MAX_PORT = 65_535
BOOT_S = 180.0  # 10 s on two quiet cores

# Whatever the user has set stays.
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "seedloom",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PYTHONSAFEPATH": "1",  # a folder `tasks` beside the user's files is not our `tasks`
}
# These would send the workers, or the browser, to another server.
ELSEWHERE = ("PREFECT_API_KEY", "PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_UI_URL")
LOGIN = "PREFECT_SERVER_API_AUTH_STRING"


def serve(settings: Settings, port: int) -> None:
    """Start all, say where it is, and wait; Ctrl-C or SIGTERM ends it.

    Raises:
        BadInput: for a port in use, a second `up` on the same warehouse, or a package without deployments.
        SeedloomError: when the server, a worker or the registration stops; its log is named.
    """
    root = settings.root.resolve()
    refuse_without(DEPLOYMENTS)
    with alone(root) as folder:
        refuse_taken(port)
        environment = environment_of(root, port, folder)
        write_private(folder / "env", exports(environment))
        children = Children(private_folder(folder / "logs"), environment)
        leave_on_signals()
        try:
            start(children, port)
            greet(folder, port)
            children.watch()
        finally:
            with contextlib.suppress(OSError):  # the terminal may be gone
                say("stopping the workers, then the server")
            children.stop()


def start(children: Children, port: int) -> None:
    """Server, pools, workers, deployments: each after what it needs."""
    prefect = (sys.executable, "-m", "prefect")
    say("starting a Prefect server and two workers: 20 seconds on a quiet machine")
    children.start("server", *prefect, "server", "start", "--host", HOST, "--port", str(port))
    wait_until_healthy(children, port)
    children.run("registration", sys.executable, "-m", "flows.registration", "--alone")
    for pool in POOLS:
        worker = ("worker", "start", "--type", "process", "--pool", pool, "--name", f"seedloom-{pool}")
        children.start(f"worker-{pool}", *prefect, *worker)
    children.run("deploy", *prefect, "--no-prompt", "deploy", "--prefect-file", str(DEPLOYMENTS), "--all")


def refuse_without(deployments: Path) -> None:
    """Raise BadInput without deployments to register: they lie in the repository, not in the package."""
    if not deployments.exists():
        raise BadInput(f"no {deployments}: `seedloom up` needs a checkout, installed with `pip install -e .`")


def refuse_taken(port: int) -> None:
    """Raise BadInput when a port cannot be listened on."""
    if not 1 <= port <= MAX_PORT:
        raise BadInput(f"port {port} is none: choose --port from 1 to {MAX_PORT}")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        why = error.strerror
        raise BadInput(
            f"port {port} of {HOST}: {why}; stop what uses it, or choose another --port"
        ) from error


@contextlib.contextmanager
def alone(root: Path) -> Iterator[Path]:
    """The folder of the server inside a warehouse, held against every other `up`.

    Raises:
        BadInput: when another one holds it.
    """
    folder = private_folder(root / "prefect")
    with contextlib.ExitStack() as held:
        for place in {folder, prefect_home(folder)}:
            try:
                held.enter_context(locked(place / "up.lock", wait=False))
            except SeedloomError as error:
                raise BadInput(
                    f"another `seedloom up` holds {place}: use its server (. {folder / 'env'}), stop it, "
                    "or choose another --root and --port"
                ) from error
        yield folder


def prefect_home(folder: Path) -> Path:
    """Where Prefect keeps its database: inside the warehouse, unless the user has set PREFECT_HOME."""
    return Path(os.environ.get("PREFECT_HOME") or folder).resolve()


def environment_of(root: Path, port: int, folder: Path) -> dict[str, str]:
    """Variables of the server and the workers: those of this process, address, login, safe defaults."""
    given = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    origins = given.get("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", f"http://{HOST}:{port}")
    ours = {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_UI_API_URL": "/api",  # the browser asks where it got the page, also through a tunnel
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
        "PREFECT_HOME": str(prefect_home(folder)),
        "SEEDLOOM_ROOT": shown(root),
    }
    environment = {**DEFAULTS, **given, **ours}
    login = environment.pop(LOGIN, None)
    if login is None:
        login = login_in(folder / "auth")
    if login:  # set and empty: switched off
        environment |= {LOGIN: login, "PREFECT_API_AUTH_STRING": login}
    return environment


def login_in(path: Path) -> str:
    """The login of the server, made at the first start: who can talk to it can run commands as this user."""
    known = path.read_text().strip() if path.exists() else ""
    if not known:
        known = f"seedloom:{secrets.token_urlsafe(24)}"
        write_private(path, f"{known}\n")
    return known


def exports(environment: dict[str, str]) -> str:
    """Lines for a shell that is to talk to this server and its warehouse."""
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "SEEDLOOM_ROOT")
    known = [(name, environment[name]) for name in names if name in environment]
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in known)


def private_folder(path: Path) -> Path:
    """A folder that nobody else may open; its parents are made as usual."""
    make_folder(path)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)


def wait_until_healthy(children: Children, port: int) -> None:
    """Wait for the server.

    Raises:
        SeedloomError: when it stops, or does not answer within BOOT_S seconds.
    """
    health = f"http://{HOST}:{port}/api/health"
    end = time.monotonic() + BOOT_S
    while time.monotonic() < end:
        children.check()
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=5):
            return
        time.sleep(0.2)
    raise SeedloomError(f"the server did not answer on port {port} within {BOOT_S:.0f} s; see its log")


def leave_on_signals() -> None:
    """SIGTERM and a closed terminal leave as Ctrl-C does; what was to be ignored (nohup) stays ignored."""

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)


def greet(folder: Path, port: int) -> None:
    """Say where everything is, and how to start a run."""
    import yaml

    login = {None: f"the line in {folder / 'auth'}", "": "nothing: the login is switched off"}
    say(f"Prefect UI    http://{HOST}:{port}")
    say(f"log in with   {login.get(os.environ.get(LOGIN), f'your {LOGIN}')}")
    for each in yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]:
        name, pool = each["name"], each["work_pool"]["name"]
        crons = [f"{schedule['cron']} {schedule['timezone']}" for schedule in each["schedules"]]
        say(f"deployment    {name + '/' + name:<14} pool {pool}; {', '.join(crons) or 'started by hand'}")
    prefect = Path(sys.executable).with_name("prefect")
    say(f"start one     . {folder / 'env'}; {prefect} deployment run corpus/corpus -p count=50")
    say(f"logs          {folder / 'logs'}")
    say("stop          Ctrl-C; a run in progress is ended, `prefect flow-run retry` resumes it")


def say(line: str) -> None:
    """One line, as it is."""
    stdout.print(line, soft_wrap=True, markup=False)
