"""Rows on refresh tokens that many use at the same time, at three gateways."""

from collections import Counter

from parts import burst, form, refreshing

# Uses of one refresh token at the same time, and how often that is done; and with how many sessions that end by it.
USES = 200
ROUNDS = 20
ENDED = 6


def races(setting):
    wires = [setting.gateways[number % 3].wire() for number in range(USES)]
    signed_in = setting.sign_in_many(2 * ENDED + 1)
    at_once(setting, wires, signed_in[0])
    stale(setting, wires, signed_in[1 : ENDED + 1])
    mixed(setting, wires, signed_in[ENDED + 1 :])
    for wire in wires:
        wire.close()


def use(wires, tokens):
    """Each connection refreshes with the tokens that stand at its place."""
    return burst(wires, [form("/auth/token", **refreshing(one)) for one in tokens])


def successors(answers):
    return {answer.body["refresh_token"] for answer in answers if answer.status == 200}


def outcomes(answers):
    return dict(Counter(answer.outcome for answer in answers))


def at_once(setting, wires, tokens):
    """One session: each round begins with the successor that the round before has made."""
    odd, waits = [], []
    for number in range(ROUNDS):
        answers = use(wires, [tokens] * USES)
        made = successors(answers)
        waits += [answer.done - answer.sent for answer in answers]
        if len(made) != 1 or set(outcomes(answers)) - {"200", "503 overloaded"} or tokens.refresh in made:
            odd.append((number, outcomes(answers), len(made)))
            break
        tokens = type(tokens)(next(answer for answer in answers if answer.status == 200).body["access_token"], made.pop(), tokens.session)
    setting.check(f"{USES} uses of one refresh token at once at three gateways, {ROUNDS} rounds: one successor each time", not odd, odd)
    setting.figure("answer to one of the uses", waits)
    answer, sessions = setting.gateways[0].sessions(tokens.access)
    setting.check("the session is one and goes on", sum(session["id"] == tokens.session for session in sessions) == 1, answer)
    setting.check("nobody said that a token was reused", not reused(setting, tokens.session), reused(setting, tokens.session))


def stale(setting, wires, sessions):
    """A token whose successor was used, used again: the family ends, once, whoever else asks."""
    odd = []
    for first in sessions:
        _, second = setting.gateways[0].refresh(first)
        _, third = setting.gateways[1].refresh(second)
        answers = use(wires, [first] * USES)
        last, _ = setting.gateways[2].refresh(third)
        seen = (outcomes(answers), last.outcome, [gateway.call(third.access).reason for gateway in setting.gateways], len(reused(setting, first.session)))
        if successors(answers) or set(seen[0]) - {"400 invalid_grant", "503 overloaded"} or seen[1:] != ("400 invalid_grant", ["revoked"] * 3, 1):
            odd.append(seen)
    setting.check(f"{USES} uses of a token whose successor was used, {ENDED} sessions: each ends, told once", not odd, odd[:3])


def mixed(setting, wires, sessions):
    """Some have a token, the others its successor: if one of the first comes after one of the second, nobody has a session."""
    odd, ended = [], 0
    for turn, first in enumerate(sessions):
        _, second = setting.gateways[0].refresh(first)
        # Every second one at each gateway, or the first one alone.
        is_old = [number // 3 % 2 == 0 if turn % 2 else number == 0 for number in range(USES)]
        answers = use(wires, [first if old else second for old in is_old])
        olds = [answer for old, answer in zip(is_old, answers, strict=True) if old]
        news = [answer for old, answer in zip(is_old, answers, strict=True) if not old]
        third = successors(news)
        # A repetition yields what is there already, and a rotation one thing more.
        one_line = successors(olds) <= {second.refresh} and len(third) <= 1
        told = len(reused(setting, first.session))
        ended += told
        issued = [answer.body["access_token"] for answer in answers if answer.status == 200]
        alive = {gateway.call(token).outcome for token in issued[-3:] for gateway in setting.gateways}
        known = set(outcomes(answers)) <= {"200", "400 invalid_grant", "503 overloaded"}
        consistent = alive <= {"401 revoked"} if told else alive == {"200"}
        if not (one_line and known and consistent and told <= 1):
            odd.append((outcomes(answers), alive, told, one_line))
    setting.check(f"{USES} uses of a token and of its successor at once, {len(sessions)} sessions: one outcome each", not odd, odd[:3])
    setting.note(f"of them {ended} ended, since a token came after its successor")


def reused(setting, session):
    """What the audit trail says of it."""
    return setting.cluster.query(f"SELECT number FROM audit WHERE action = 'session.reused' AND session_id = '{session}'")
