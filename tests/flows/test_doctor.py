import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows import doctor
from flows.console import Common
from schemas.settings import Settings


@pytest.fixture
def local_server(monkeypatch):
    """A model server on a port that the doctor looks at."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": [{"id": "llama"}]}).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(doctor, "SERVERS", {"vLLM": server.server_port})
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def findings(capsys, **options):
    doctor.examine(Common(as_json=True, **options))
    return {row["what"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_setting_is_shown_with_where_it_comes_from_and_secrets_are_masked(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(doctor, "SERVERS", {})
    monkeypatch.setenv("SEEDLOOM_LLM__API_KEY", "sk-canary")
    (tmp_path / "seedloom.toml").write_text("[llm]\nconcurrency = 5\n")
    found = findings(capsys, root=tmp_path / "w")
    assert (found["llm.api_key"]["value"], found["llm.api_key"]["from"]) == (
        "**********",
        "environment SEEDLOOM_LLM__API_KEY",
    )
    assert (found["llm.concurrency"]["value"], found["llm.concurrency"]["from"]) == ("5", "seedloom.toml")
    assert found["llm.timeout_s"]["from"] == "default"
    assert "sk-canary" not in json.dumps(found)


def test_all_settings_are_shown():
    shown = {row["what"] for row in doctor.origins(Settings())}
    assert shown >= {"root", "runner", "llm.base_url", "storyteller.obey"}


def test_a_model_server_on_this_machine_is_named_with_the_line_that_uses_it(capsys, local_server, tmp_path):
    found = findings(capsys, root=tmp_path / "w")
    line = f"SEEDLOOM_LLM__BASE_URL=http://127.0.0.1:{local_server.server_port}/v1 SEEDLOOM_LLM__MODEL=llama seedloom corpus"
    assert found["model server"]["note"] == line


def test_without_one_it_says_who_writes(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "SERVERS", {"vLLM": 9})
    assert "offline/storyteller" in findings(capsys, root=tmp_path)["model server"]["note"]
