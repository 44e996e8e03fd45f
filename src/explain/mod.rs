//! Why a request is admitted or refused: [`decide`](crate::gate::decide) with an observer, and what it looked at beside it.
//!
//! The verdict is the gate's alone. What is shown along with it is read from the same snapshot, by the same functions.

mod answer;
mod claims;
mod explanation;
mod question;
mod route;
mod steps;
mod token;
mod walk;
mod why;

pub use explanation::{
    Answer, Asked, Explanation, Finding, Mark, Outcome, Step, StepName, Verdict,
};
pub use question::{BadQuestion, KeyFacts, KeyOrigin, Question};
pub use why::explain;
