"""Rows on three gateways that are one issuer: whichever is asked, the answer is the same, and within a second."""

import threading
import time

from parts import calling, claims_of, request, until

# Rounds of the measurement: enough for a p99.
ROUNDS = 210
# Within it all gateways refuse what one of them was told to revoke.
BOUND = 1.0


def any_gateway(setting):
    """What begins at one gateway goes on at the others."""
    one, two, three = setting.gateways
    tokens = one.sign_in("user-0")
    for number, gateway in enumerate(setting.gateways, 1):
        answer = gateway.call(tokens.access)
        setting.check(f"signed in at 1, admitted at {number}", answer.status == 200, answer)
    answer, renewed = two.refresh(tokens)
    setting.check("refreshed at 2", answer.status == 200 and renewed.refresh != tokens.refresh, answer)
    for number, gateway in enumerate(setting.gateways, 1):
        answer = gateway.call(renewed.access)
        setting.check(f"refreshed at 2, admitted at {number}", answer.status == 200, answer)
    other = three.sign_in("user-0")
    answer, sessions = three.sessions(renewed.access)
    seen = {session["id"] for session in sessions}
    setting.check("sessions of 1 and 3, seen at 3", {tokens.session, other.session} <= seen, answer)
    ended = two.wire().ask(request("DELETE", f"/auth/sessions/{other.session}", {"Authorization": f"Bearer {renewed.access}"}))
    setting.check("ended at 2", ended.status in (200, 204), ended)
    answer = two.call(other.access)
    setting.check("refused at 2 with the next request", (answer.status, answer.reason) == (401, "revoked"), answer)
    for number, gateway in ((1, one), (3, three)):
        setting.check(f"refused at {number} within a second", until(lambda g=gateway: g.call(other.access).reason == "revoked", BOUND))
    answer, _ = one.refresh(other)
    setting.check("its refresh token is refused at 1", (answer.status, answer.reason) == (400, "invalid_grant"), answer)
    answer = one.call(renewed.access)
    setting.check("the other session goes on", answer.status == 200, answer)
    sets = {gateway.wire().ask(request("GET", "/auth/jwks.json", {})).body.get("keys", [{}])[0].get("kid") for gateway in setting.gateways}
    setting.check("one JWK Set", len(sets) == 1 and None not in sets, sets)


class Watch(threading.Thread):
    """Calls one gateway with a token, over and over, until it is refused."""

    def __init__(self, gateway, token, end):
        super().__init__(daemon=True)
        self.wire = gateway.wire(5)
        self.data, self.end = calling(token), end
        self.admitted = threading.Event()
        # When the request was sent that was first refused, and answers that were neither.
        self.refused, self.others = None, []

    def run(self):
        while time.time() < self.end:
            answer = self.wire.ask(self.data)
            if answer.status == 401:
                self.refused = answer.done
                break
            if answer.status == 200:
                self.admitted.set()
            else:
                self.others.append(answer.outcome)
            time.sleep(0.001)
        self.wire.close()


def revoked_everywhere(setting):
    """From the moment that a client asks for it to the last gateway's refusal."""
    client = setting.clients["machine"]
    tokens = [setting.machine(number % 3) for number in range(ROUNDS)]
    asked, answered, late, odd = [], [], 0, []
    for number, token in enumerate(tokens):
        watches = [Watch(gateway, token, time.time() + 10) for gateway in setting.gateways]
        for watch in watches:
            watch.start()
        # Then each has the token in a cache.
        for watch in watches:
            watch.admitted.wait(2)
        answer = setting.gateways[number % 3].form("/auth/revoke", client, token=token)
        if answer.status != 200:
            odd.append(answer.outcome)
        for watch in watches:
            watch.join()
            odd += watch.others
        ends = [watch.refused for watch in watches if watch.refused is not None]
        late += len(ends) < 3
        if len(ends) == 3:
            asked.append(max(ends) - answer.sent)
            answered.append(max(0.0, max(ends) - answer.done))
    setting.check(f"revoked at one, refused at all: {ROUNDS} rounds", not late, late)
    setting.check("no other answers meanwhile", not odd, odd[:10])
    setting.check("each within a second", asked and max(asked) < BOUND, sorted(asked)[-5:])
    setting.figure("revoke asked for → refused at all three", asked)
    setting.figure("revoke answered → refused at all three", answered)
    again = [gateway.call(token).status for token in tokens for gateway in setting.gateways]
    setting.check("and refused ever after", set(again) == {401}, {status: again.count(status) for status in set(again)})


def by_every_name(setting):
    """The kinds of revocation, from the command line and the admin listener of any gateway."""
    one, two, three = setting.gateways

    def refused(token):
        return all(until(lambda g=gateway: g.call(token).reason == "revoked", BOUND) for gateway in setting.gateways)

    tokens = one.sign_in("user-1")
    claims = claims_of(tokens.access)
    code, said = two.command("revoke", "--jti", claims["jti"])
    setting.check("`revoke --jti` at the store: refused at all", code == 0 and refused(tokens.access), said)
    answer, tokens = three.refresh(tokens)
    setting.check("the session has a token again", answer.status == 200 and one.call(tokens.access).status == 200, answer)
    answer = three.admin_post("/revocations", {"sid": tokens.session})
    setting.check("POST /revocations with sid: refused at all", answer[0] == 200 and refused(tokens.access), answer)
    tokens = two.sign_in("user-1")
    code, said = one.command("revoke", "--sub", claims_of(tokens.access)["sub"], "--before", "now")
    setting.check("`revoke --sub --before now`: refused at all", code == 0 and refused(tokens.access), said)
    # `iat` has whole seconds: what was signed in this one is refused.
    time.sleep(1.1)
    tokens = one.sign_in("user-1")
    setting.check("who signs in anew is admitted", all(gateway.call(tokens.access).status == 200 for gateway in setting.gateways))
    name = {"jti": claims_of(tokens.access)["jti"]}
    answer = three.admin_post("/revocations", name)
    setting.check("POST /revocations with jti: refused at all", answer[0] == 200 and refused(tokens.access), answer)
    answer = one.admin_post("/revocations", {**name, "remove": True})
    admitted = all(until(lambda g=gateway: g.call(tokens.access).status == 200, BOUND) for gateway in setting.gateways)
    setting.check("taken back at another: admitted at all", answer[0] == 200 and admitted, answer)
