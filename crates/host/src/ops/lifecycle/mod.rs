//! The duties of the lifecycle: what has idled or run too long is warned, then stopped. And the
//! longer run that its owner asks for.
//!
//! Duties are for root alone, which the gateway never is: they are none of its operations. A pass gathers,
//! decides under the lock of [`crate::watch_file`] what is next for each container, and notes there
//! that it is about to do it; then it does it, and notes that it is done. Whoever finds such a note
//! of a process that died goes on from there.

mod act;
mod extend;
mod idle;
mod keep_alive;
mod left;
mod longest;
mod runs;
mod samples;
mod subject;
pub(super) mod words;

use ds01_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::users::Caller;

pub(super) use subject::is_protected;

pub use extend::{Extend, Extended};
pub use idle::IdleCheck;
pub use longest::LongestRun;

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// What was done, or would be.
    pub done: Vec<Done>,
    /// What should have been done, and why it was not.
    pub failed: Vec<Failure>,
}

/// Something that a pass did about a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The owner's name for it.
    pub name: String,
    /// The owner's login, or a word for having none.
    pub login: String,
    /// What was done.
    pub what: What,
    /// Why.
    pub why: String,
}

/// What a pass can do about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Its owner was warned.
    Warned,
    /// It was stopped.
    Stopped,
    /// Its owner was told that it is exempt.
    Exempt,
}

/// Refuses a duty to everybody but root.
fn for_root(caller: Caller) -> Result<(), Failure> {
    super::for_root(
        caller,
        "only root looks after the containers of all users",
        "see your own with container-list",
    )
}
