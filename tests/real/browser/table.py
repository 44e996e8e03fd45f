"""The sign-in page in a real browser; see tests/real/browser.sh. Prints one line a row."""

import argparse
import http.server
import json
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from driver import ENTER, TAB, Browser  # noqa: E402
from processes import Gateway, Rows, Upstream, until  # noqa: E402

PASSWORD, OTHER = "correct horse battery staple", "a second secret phrase"

CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 2
tls = {{ self_signed = ["localhost"] }}
[admin]
listen = "127.0.0.1:{admin}"
[local_issuer]
issuer = "https://localhost:{port}/auth"
audience = "demo"
cookies = true
page = true
[[upstreams]]
name = "nginx"
urls = ["http://127.0.0.1:{upstream}"]
[[routes]]
name = "api"
path = "/api"
upstream = "nginx"
[claim_headers]
"X-Auth-Subject" = "sub"
"""


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another site, or another port of the same one: forms that send themselves to the gateway when a person clicks."""

    target = ""

    def do_GET(self):  # noqa: N802
        forms = "".join(
            f'<form method="post" action="{self.target}{path}"><input name="all" value="1"><button id="{name}">win</button></form>'
            for name, path in (("logout", "/auth/logout"), ("api", "/api/orders"), ("login", "/auth/login"), ("others", "/auth/sessions/end-others"))
        )
        body = f'<!doctype html><title>elsewhere</title>{forms}<iframe src="{self.target}/auth/"></iframe>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def elsewhere(directory, target):
    """A port that serves these forms over TLS."""
    key, certificate = directory / "elsewhere.key", directory / "elsewhere.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)  # fmt: skip
    Elsewhere.target = target
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def post(gateway, path, document, **fields):
    """As a program does it: status and what came back."""
    context = ssl.create_default_context(cafile=next((gateway.state / "tls").glob("*.pem")))
    data = json.dumps(document).encode() if document is not None else None
    request = urllib.request.Request(f"{gateway.origin}{path}", data, {"Content-Type": "application/json", **fields})
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.status, json.load(answer) if path.startswith("/auth") else {}
    except urllib.error.HTTPError as error:
        return error.code, {}


def sign_in(browser, password):
    """With the keyboard alone: the name has the focus."""
    browser.press("alice" + TAB)
    browser.press(password + ENTER)


def the_form(table, browser, gateway):
    browser.go(f"{gateway.origin}/api/orders")
    table.check("without a sign-in the route refuses", "missing_token" in browser.text(), browser.text())
    browser.go(f"{gateway.origin}/auth/?return_to=%2Fapi%2Forders")
    table.check("the page has a title and a language", "Sign in" in browser.title and browser.elements("html[lang=en]"), browser.title)
    labels = [browser.label(selector) for selector in ("#username", "#password", "#sign-in button")]
    table.check("its fields and its button have names", labels == ["Name", "Password", "Sign in"], labels)
    sign_in(browser, "wrong")
    table.check("a wrong password is told", browser.says("The name or the password is wrong."), browser.text())
    sign_in(browser, PASSWORD)
    there = until(lambda: browser.url == f"{gateway.origin}/api/orders", 5)
    table.check("the right one leads to where one wanted to go", there, browser.url)
    seen = browser.text()
    table.check("the route gets the user, and no token", "subject=" in seen and "subject= " not in seen and seen.endswith("token="), seen)


def the_cookies(table, browser, gateway):
    browser.go(f"{gateway.origin}/auth/")
    cookies = browser.cookies()
    access, refresh = cookies.get("__Host-portcullis", {}), cookies.get("__Secure-portcullis-refresh", {})
    flags = [(c.get("httpOnly"), c.get("secure"), c.get("sameSite"), c.get("path")) for c in (access, refresh)]
    table.check("cookies: HttpOnly, Secure, SameSite", flags == [(True, True, "Lax", "/"), (True, True, "Strict", "/auth")], flags)
    browser.forget("__Host-portcullis")
    browser.go(f"{gateway.origin}/auth/?return_to=%2Fapi%2Forders")
    browser.click("#continue")
    table.check("when the access token is over, one button goes on", browser.says("subject="), browser.text())


def the_sessions(table, browser, gateway):
    _, tokens = post(gateway, "/auth/login", {"username": "alice", "password": PASSWORD}, **{"User-Agent": "<b>pocket phone</b>"})
    bearer = {"Authorization": f"Bearer {tokens.get('access_token')}"}
    table.check("a program signs in, too", post(gateway, "/api", None, **bearer)[0] == 200, tokens)
    browser.go(f"{gateway.origin}/auth/")
    lines = [browser.text(f".sessions li:nth-child({number})") for number in (1, 2)]
    both = sorted("This one" in line for line in lines) == [False, True]
    table.check("the page lists both sessions, and says which is this one", both and "<b>pocket phone</b>" in "".join(lines), lines)
    browser.click(".sessions button")
    ended = browser.says("The session is ended.") and len(browser.elements(".sessions li")) == 1
    table.check("the other one is ended", ended, browser.text())
    table.check("and its token refused", post(gateway, "/api", None, **bearer)[0] == 401)


def from_elsewhere(table, browser, gateway):
    port = elsewhere(table.directory, gateway.origin)
    for place, host in (("another site", "127.0.0.1"), ("another port of the same site", "localhost")):
        for name in ("logout", "others", "login", "api"):
            browser.go(f"https://{host}:{port}/")
            browser.click(f"#{name}")
            refused = browser.says("from another site", "cross_origin", "missing_token")
            table.check(f"{place}: a form to {name} is refused", refused, f"{browser.url} {browser.text()}")
        browser.go(f"https://{host}:{port}/")
        browser.enter_frame()
        table.check(f"{place}: the page shows in no frame", not browser.elements("form"), browser.text())
        browser.leave_frame()
    browser.complaints()
    browser.go(f"{gateway.origin}/auth/")
    table.check("after all that one is still signed in", "Signed in as alice" in browser.text(), browser.text())
    for path in ("//127.0.0.1/", "/\\127.0.0.1/", "https://127.0.0.1/"):
        browser.go(f"{gateway.origin}/auth/?return_to={urllib.request.quote(path, safe='')}")
        table.check(f"no way to {path}", not browser.elements("p a"), browser.text())


def the_operator(table, browser, gateway):
    code, said = gateway.command("session", "end", "--user", "alice")
    table.check("the operator ends the session", (code, said) == (0, "1 session ended\n"), said)
    gone = until(lambda: browser.go(f"{gateway.origin}/api/orders") or "revoked" in browser.text())
    table.check("the route refuses within a second or so", gone, browser.text())
    browser.go(f"{gateway.origin}/auth/")
    browser.click("#continue")
    over = browser.says("You are not signed in any more. Sign in again.") and not browser.elements("#continue")
    table.check("the page says so, and has no button to go on", over, browser.text())
    sign_in(browser, PASSWORD)
    table.check("one signs in again", browser.says("Signed in as alice"), browser.text())


def the_password(table, browser, gateway):
    def change(current, new, again):
        for selector, text in (("#current", current), ("#new", new), ("#again", again)):
            browser.type(selector, text)
        browser.press(ENTER)
        browser.says(expected[len(said)])
        said.append(browser.text(".notice"))

    browser.go(f"{gateway.origin}/auth/")
    said, expected = [], ["The two new passwords differ", "The current password is wrong", "The password is changed"]
    for row in ((PASSWORD, OTHER, OTHER + "!"), ("wrong", OTHER, OTHER), (PASSWORD, OTHER, OTHER)):
        change(*row)
    table.check("a password is changed by who knows the old one", all(text.startswith(part) for text, part in zip(said, expected)), said)
    status, _ = post(gateway, "/auth/login", {"username": "alice", "password": PASSWORD})
    table.check("the old one is none any more", status == 401, status)


def the_end(table, browser, gateway):
    browser.go(f"{gateway.origin}/auth/")
    # Of refusals by the route it speaks, too.
    said = [text for text in browser.complaints() if "/auth/" in text]
    table.check("the browser has nothing to say of the page", not said, said)
    browser.click("#sign-out")
    table.check("one signs out", browser.says("You are signed out."), browser.text())
    table.check("and no cookie is left", not browser.cookies(), browser.cookies())
    browser.go(f"{gateway.origin}/api/orders")
    table.check("and the route refuses", "missing_token" in browser.text(), browser.text())
    table.check("no password is in a log", not any(word in gateway.log.read_text() for word in (PASSWORD, OTHER)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary")
    arguments.add_argument("--keep", type=Path, help="where the logs stay")
    given = arguments.parse_args()
    directory = Path(given.keep or tempfile.mkdtemp(prefix="portcullis-browser-"))
    directory.mkdir(parents=True, exist_ok=True)
    table = Rows(given.binary, directory)
    try:
        upstream = table.part(Upstream(directory))
        upstream.start()
        gateway = table.part(Gateway(given.binary, directory, "gateway", CONFIG, upstream=upstream.port))
        gateway.origin = f"https://localhost:{gateway.port}"
        code, said = gateway.command("user", "add", "alice", "--password-stdin", "--role", "ops", given=PASSWORD + "\n")
        table.check("a user", code == 0, said)
        gateway.start()
        table.check("ready", until(lambda: gateway.ask("/readyz")[0] == 200), gateway.ask("/readyz?verbose"))
        browser = table.part(Browser(directory))
        browser.start()
        for rows in (the_form, the_cookies, the_sessions, from_elsewhere, the_operator, the_password, the_end):
            table.section(lambda table, rows=rows: rows(table, browser, gateway))
    finally:
        table.leave(given.keep)
    table.count()


if __name__ == "__main__":
    main()
