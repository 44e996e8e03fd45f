"""Rows on finding the keys, on documents that are wrong, and on tokens."""

import time

from parts import ALGORITHMS, parts_of, until, with_claims, with_kid
from setting import issuer


def discovery(table):
    base = f"http://127.0.0.1:{table.many.port}"
    rows = {
        "bare": ("discovery, an issuer without a slash at its end", "/bare", "{ discovery = true }"),
        "slash": ("discovery, an issuer with a slash at its end", "/slash", "{ discovery = true }"),
        "root": ("discovery, an issuer whose path is the slash", "", "{ discovery = true }"),
        "oauth": ("discovery, an issuer that has RFC 8414 alone", "/oauth", "{ discovery = true }"),
        "named": ("discovery by URL, under another name", "/named",
                  f"{{ discovery = 'http://localhost:{table.many.port}/named/.well-known/openid-configuration' }}"),
        "set": ("a JWK Set by URL", "/set", f"{{ jwks_url = '{base}/set/jwks' }}"),
    }
    issuers = [table.many_issuer(name, keys, mount) for name, (_, mount, keys) in rows.items()]
    gateway = table.gateway("discovery", *issuers)
    gateway.start()
    table.check("ready once the keys are there", until(lambda: gateway.ask("/readyz")[0] == 200), gateway.ask("/readyz?verbose"))
    for name, (row, mount, _) in rows.items():
        for token in table.many.tokens(3, mount):
            answer = gateway.get(f"/{name}", token)
            table.check(f"{row}: {parts_of(token)[0]['alg']}", answer[0] == 200, answer)
    bare, slash = table.many.token(mount="/bare"), table.many.token(mount="/slash")
    table.check("two issuers have the same kid", parts_of(bare)[0]["kid"] == parts_of(slash)[0]["kid"])
    table.check("another issuer's token: wrong_issuer", gateway.refuses("wrong_issuer", bare, "/slash"), gateway.get("/slash", bare))
    forged = table.many.token(mount="/forger")
    table.check("another issuer's key under the same kid: bad_signature", gateway.refuses("bad_signature", forged, "/slash"),
                gateway.get("/slash", forged))
    code, said = gateway.command("check", "--online")
    table.check("check --online says 0 to all of them", code == 0, (code, said))
    gateway.end()


def wrong_metadata(table):
    """The document of /slash/ is for that issuer, and for no other."""
    base = f"http://127.0.0.1:{table.many.port}"
    mismatch = issuer("mismatch", f"{base}/slash", "{ discovery = true }")
    astray = issuer("astray", f"{base}/elsewhere", f"{{ discovery = '{base}/set/.well-known/openid-configuration' }}")
    gateway = table.gateway("wrong", mismatch, astray, table.many_issuer("bare"))
    gateway.start()
    table.check("beside wrong documents the right issuer serves", until(lambda: gateway.passes(table.many.token(mount="/bare"), "/bare")))
    for name, wanted, found in (("mismatch", f"{base}/slash", f"{base}/slash/"), ("astray", f"{base}/elsewhere", f"{base}/set")):
        text = gateway.ask("/status")[1]
        table.check(f"/status names both issuers of {name}", f'"{name}"' in text and wanted in text and found in text, text)
        ready = gateway.ask("/readyz")
        table.check(f"/readyz is 503 and names {name}", ready[0] == 503 and name in ready[1], ready)
        answer = gateway.get(f"/{name}", with_claims(table.many.token(mount="/slash"), iss=wanted))
        table.check(f"no key of {name} is in force: keys_unavailable", answer[:2] == (503, "keys_unavailable"), answer)
    code, said = gateway.command("check", "--online")
    table.check("check --online says 78 to a wrong issuer, and names it", code == 78 and f"{base}/slash/" in said, (code, said))
    code, said = gateway.command("check")
    table.check("check without --online asks nobody", code == 0, (code, said))
    gateway.end()


def untrusted(table):
    gateway = table.gateway("untrusted", table.corp_issuer("{ discovery = true }"))
    code, said = gateway.command("check", "--online")
    table.check("without its CA: check --online says 78, and that it is the certificate", code == 78 and "certificate" in said, (code, said))


def tokens(table, gateway):
    corp = table.corp
    table.check("ready once the keys are there", until(lambda: gateway.ask("/readyz")[0] == 200), gateway.ask("/readyz?verbose"))
    verdicts = {kid: key["verdict"] for kid, key in gateway.report("corp").items()}
    table.check("before any token: new and never used", verdicts == {f"{alg}-1": "new and never used" for alg in ALGORITHMS}, verdicts)
    for token in corp.tokens(3):
        wanted = f"subject=service issuer=https://localhost:{corp.port} roles=ops,a%2Cb token=\n"
        answer = gateway.get("/corp", token)
        table.check(f"{parts_of(token)[0]['alg']} over TLS with an own CA, and its claim headers", answer == (200, "", wanted), answer)
    token = corp.token(algorithms=("ES256",))
    header, payload, signature = token.split(".")
    brief = corp.token(seconds=1)
    refusals = {
        "missing_token": None,
        "wrong_audience": corp.token(audience="other"),
        "bad_signature": with_claims(token, sub="root"),
        "unknown_key": with_kid(token, "nobody"),
        "malformed": f"{header}.{payload}",
        "wrong_issuer": table.many.token(mount="/bare"),
    }
    for reason, refused in refusals.items():
        table.check(f"{reason} is refused", gateway.refuses(reason, refused, "/corp"), gateway.get("/corp", refused))
    other = with_kid(corp.token(algorithms=("EdDSA",)), "ES256-1").split(".")[0]
    confused = f"{other}.{payload}.{signature}"
    table.check("a key under another algorithm is refused", gateway.get("/corp", confused)[0] == 401, gateway.get("/corp", confused))
    time.sleep(max(0.0, parts_of(brief)[1]["exp"] + 0.1 - time.time()))
    table.check("expired is refused", gateway.refuses("expired", brief, "/corp"), gateway.get("/corp", brief))
    verdict = gateway.verdict("corp", "ES256-1")
    table.check("after a token: in use until its end", verdict.startswith("in use until "), verdict)
    # For the last rows: used once, with nothing outstanding after some seconds.
    table.check("a brief token passes", gateway.passes(table.many.token(mount="/brief", seconds=2, algorithms=("ES256",)), "/brief"))
