"""The colleague's way: log in to the UI with a real browser, fill the form of a deployment, start a run.

Needs `chromium` and `chromedriver` (Debian: chromium, chromium-driver); speaks the WebDriver protocol itself.
"""

import base64
import json
import shutil
import subprocess
import time
import urllib.request

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromedriver") and shutil.which("chromium")),
        reason="no chromium and chromedriver here",
    ),
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the W3C standard gives to a reference
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,1900"]


class Browser:
    """A headless Chromium, as far as these tests need it."""

    def __init__(self, port, pictures):
        self.pictures = pictures
        self._driver = subprocess.Popen(["chromedriver", f"--port={port}", "--silent"])
        self._session = f"http://127.0.0.1:{port}/session"

    def begin(self):
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": OPTIONS}}
        known = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._session += f"/{known['sessionId']}"
        return True

    def end(self):
        self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait()

    def open(self, url, until):
        """Open a page and wait for a text on it; keep a picture."""
        self._call("POST", "/url", {"url": url})
        self.see(until)

    def see(self, text):
        end = time.monotonic() + 120
        while text not in self.text():
            assert time.monotonic() < end, f"{text!r} is not on the page: {self.text()[:2000]}"
            time.sleep(0.3)
        time.sleep(1)  # what moves comes to rest
        picture = base64.b64decode(self._call("GET", "/screenshot"))
        (self.pictures / f"{len(list(self.pictures.iterdir()))}.png").write_bytes(picture)

    def text(self):
        return (
            self._call("POST", "/execute/sync", {"script": "return document.body.innerText", "args": []})
            or ""
        )

    def type(self, xpath, text):
        self._call("POST", f"/element/{self._find(xpath)}/clear", {})
        self._call("POST", f"/element/{self._find(xpath)}/value", {"text": text})

    def click(self, xpath):
        self._call("POST", f"/element/{self._find(xpath)}/click", {})

    def submit(self):
        """Submit the form; while it checks what was typed, the longer the form the longer, a click is lost."""
        self.see("Submit")
        end = time.monotonic() + 120
        while "scheduled to start" not in self.text():
            assert time.monotonic() < end, self.text()
            if "Submit" in self.text():
                self.click("//button[normalize-space()='Submit']")
            time.sleep(3)

    def _find(self, xpath):
        return self._call("POST", "/element", {"using": "xpath", "value": xpath})[ELEMENT]

    def _call(self, method, path, body=None):
        data = json.dumps(body).encode() if method == "POST" else None
        asked = urllib.request.Request(self._session + path, data, method=method)
        with urllib.request.urlopen(asked, timeout=120) as reply:
            return json.load(reply)["value"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory, server, free, eventually):
    """A browser that has logged in."""
    port = free()
    browser = Browser(port, tmp_path_factory.mktemp("pictures"))
    eventually(lambda: answers(f"http://127.0.0.1:{port}/status"))
    browser.begin()
    browser.open(server.url, until="Login")
    browser.type("//input[@type='password']", (server.root / "prefect" / "auth").read_text())
    browser.see("Dashboard")
    yield browser
    browser.end()


def test_the_ui_lists_the_deployments_and_when_they_run(browser, server):
    browser.open(f"{server.url}/v2/deployments", until="curate")
    assert "5 Deployments" in browser.text()
    assert "At 01:30 AM" in browser.text()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "corpus",
            [
                *("recipe", "count", "edition", "Source files", "Changes of the recipes", "Steering"),
                *("Near-duplicate threshold", "Compare with", "Least training rows"),
            ],
        ),
        ("preview", ["recipe", "n", "Source files", "Changes of the recipes", "Steering"]),
        ("classifier", ["data", "release", "Text column", "Label column", "Label map", "Encoder", "Seed"]),
        ("curate", ["files", "name", "licence", "shingle", "edition", "Near-duplicate threshold"]),
        (
            "model",
            ["release", "Base model", "Method", "Epochs", "Learning rate", "Batch size", "Context length"],
        ),
    ],
)
def test_each_field_of_a_form_is_there_with_its_title(browser, server, name, fields):
    browser.open(form(server, name), until="Submit")
    browser.see(fields[-1])
    shown = browser.text().splitlines()
    assert [field for field in fields if field not in shown and f"{field} (Optional)" not in shown] == []


def test_a_run_started_from_the_form_has_what_was_typed_and_a_worker_takes_it(browser, server, eventually):
    browser.open(form(server, "corpus"), until="Least training rows")
    browser.type(labelled("count"), "12")
    browser.type(labelled("Held-out share"), "0.5")
    browser.type(labelled("Least training rows"), "1")
    browser.submit()
    run = eventually(lambda: server.runs("corpus")[0])[0]
    assert run.parameters["count"] == 12
    assert (run.parameters["curation"]["heldout"], run.parameters["curation"]["min_train"]) == (0.5, 1)
    ended = eventually(lambda: finished(server.runs("corpus")[0][0]))
    assert ended.state.name == "Completed", ended.state.message
    browser.open(f"{server.url}/v2/runs", until=run.name)


def test_a_preview_started_from_the_form_answers_with_an_artifact(browser, server, eventually):
    browser.open(form(server, "preview"), until="Steering")
    browser.type(labelled("n"), "1")
    browser.submit()
    run = eventually(lambda: server.runs("preview")[0])[0]
    ended = eventually(lambda: finished(server.runs("preview")[0][0]))
    assert ended.state.name == "Completed", ended.state.message
    with server.client() as client:
        kept = [each.key for each in client.read_artifacts() if each.flow_run_id == run.id]
    assert kept == ["preview-tiny-stories-instruct"]


def form(server, name):
    with server.client() as client:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
    return f"{server.url}/v2/deployments/deployment/{deployment.id}/run"


def labelled(title):
    """The input whose label is a title."""
    return f"//input[@id=//label[starts-with(normalize-space(), '{title}')]/@for]"


def finished(run):
    return run if run.state.is_final() else None


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:
        return False
    return True
