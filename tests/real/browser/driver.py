"""A browser, by WebDriver (https://www.w3.org/TR/webdriver2/): plain HTTP and JSON."""

import json
import urllib.error
import urllib.request

from processes import Part, free_port, listens, until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB = "\ue007", "\ue004"


class Browser(Part):
    """Chromium without a window and without scripts of pages; it trusts no certificate and asks nobody about that."""

    def __init__(self, directory):
        super().__init__(directory / "chromedriver.log")
        self.port = free_port()
        self.session = None

    def start(self):
        self.spawn("chromedriver", f"--port={self.port}")
        if not until(lambda: listens(self.port)):
            raise RuntimeError("chromedriver does not listen")
        options = {
            # The sandbox does not start for root, and /dev/shm is small in a container.
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            "prefs": {"profile.managed_default_content_settings.javascript": 2},
        }
        wanted = {"acceptInsecureCerts": True, "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def end(self, *arguments):
        if self.runs and self.session:
            self.ask("DELETE", "")
        super().end(*arguments)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise LookupError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def ask(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def go(self, url):
        self.ask("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.ask("GET", "/url")

    @property
    def title(self):
        return self.ask("GET", "/title")

    def elements(self, selector):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [element[ELEMENT] for element in found]

    def element(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector="body"):
        """What a person can read there; nothing where there is no such element."""
        for attempt in range(100):
            try:
                found = self.elements(selector)
                return self.ask("GET", f"/element/{found[0]}/text") if found else ""
            except LookupError:
                # The next page came in between, which the driver says in several ways.
                if attempt == 99:
                    raise

    def says(self, *words):
        """Whether one of the words comes: where another site leads to, a browser goes in its own time."""
        def said():
            text = self.text()
            return any(word in text for word in words)

        return until(said, 5)

    def label(self, selector):
        """Its accessible name."""
        return self.ask("GET", f"/element/{self.element(selector)}/computedlabel")

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.element(selector)}/value", {"text": text})

    def press(self, keys):
        """On whatever has the focus."""
        active = self.ask("GET", "/element/active")[ELEMENT]
        self.ask("POST", f"/element/{active}/value", {"text": keys})

    def click(self, selector):
        self.ask("POST", f"/element/{self.element(selector)}/click", {})

    def cookies(self):
        return {cookie["name"]: cookie for cookie in self.ask("GET", "/cookie")}

    def forget(self, name):
        self.ask("DELETE", f"/cookie/{name}")

    def enter_frame(self):
        self.ask("POST", "/frame", {"id": {ELEMENT: self.element("iframe")}})

    def leave_frame(self):
        self.ask("POST", "/frame", {"id": None})

    def complaints(self):
        """What the console says of the pages since the last time."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]
