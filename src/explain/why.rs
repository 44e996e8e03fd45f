//! The question goes through the gate, and what the gate told becomes steps.

use http::HeaderMap;

use crate::gate::{Admission, Head, Rejection, WorkerMemory, decide, own_request};
use crate::revocation::RevocationSet;
use crate::snapshot::Snapshot;

use super::steps::Sight;
use super::walk::Walk;
use super::{Answer, Asked, Explanation, KeyFacts, Question, Verdict, answer};

/// What the gate would do with a request, and why.
///
/// Nobody notices: no key counts as used, no provider is asked, no budget is charged.
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    revocations: &RevocationSet,
    facts: &dyn KeyFacts,
    question: &Question,
) -> Explanation {
    let mut head = question.head();
    let arrived = head.parts.headers.clone();
    let mut walk = Walk::default();
    let decision = judge(snapshot, revocations, &mut head, question, &mut walk);
    let sight = Sight {
        snapshot,
        revocations,
        facts,
        question,
        arrived: &arrived,
        forwarded: &head.parts.headers,
        walk: &walk,
        refused: match &decision {
            Decision::Refused(rejection) => Some(rejection),
            Decision::Admitted(_) | Decision::Own => None,
        },
        own: matches!(decision, Decision::Own),
    };
    let client = walk.client.map_or(question.client, |client| client.address);
    Explanation {
        at: question.now.to_string(),
        request: Asked {
            method: question.method.to_string(),
            url: question.shown_url(),
            client: client.to_string(),
        },
        route: walk.route.as_ref().map(|route| route.name.to_string()),
        steps: sight.steps(),
        verdict: verdict(&decision, snapshot, &walk),
        answer: outcome(&decision, snapshot, &head, &arrived, &walk),
    }
}

/// How it ended.
enum Decision {
    Admitted(Admission),
    Refused(Rejection),
    /// One of the gateway's own endpoints.
    Own,
}

/// As the proxy does it.
fn judge(
    snapshot: &Snapshot,
    revocations: &RevocationSet,
    head: &mut Head,
    question: &Question,
    walk: &mut Walk,
) -> Decision {
    match own_request(snapshot, head, walk) {
        Ok(Some(_)) => return Decision::Own,
        Err(rejection) => return Decision::Refused(rejection),
        Ok(None) => {}
    }
    let mut memory = WorkerMemory::new(0);
    match decide(snapshot, revocations, &mut memory, head, question.now, walk) {
        Ok(admission) => Decision::Admitted(admission),
        Err(rejection) => Decision::Refused(rejection),
    }
}

fn verdict(decision: &Decision, snapshot: &Snapshot, walk: &Walk) -> Verdict {
    match decision {
        Decision::Admitted(admission) => {
            let route = admission.route();
            let upstream = snapshot.upstreams.get(route.upstream);
            Verdict::Admitted {
                route: route.name.to_string(),
                upstream: upstream.map_or_else(String::new, |up| up.config.name.to_string()),
                anonymous: walk.credentials.is_none(),
            }
        }
        Decision::Refused(rejection) => Verdict::Refused {
            status: rejection.reason.status().as_u16(),
            reason: rejection.reason.name().to_owned(),
            detail: rejection.detail.to_string(),
        },
        Decision::Own => Verdict::OwnEndpoint,
    }
}

fn outcome(
    decision: &Decision,
    snapshot: &Snapshot,
    head: &Head,
    arrived: &HeaderMap,
    walk: &Walk,
) -> Answer {
    let token = walk.credentials.as_ref().map(|found| &*found.token);
    match decision {
        Decision::Admitted(admission) => answer::forwarded(admission, head, token),
        Decision::Refused(rejection) => answer::refused(rejection, snapshot),
        Decision::Own => Answer {
            line: format!("answered by the gateway itself ({} fields)", arrived.len()),
            fields: Vec::new(),
            body: None,
        },
    }
}
