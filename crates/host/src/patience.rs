//! That an answer is long in coming, told to whoever waits at a terminal.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// What an answer takes at most where all is well: a create on a busy disk has taken two seconds.
pub(crate) const USUAL: Duration = Duration::from_secs(3);

/// The same of an operation of the gateway's, which may ask the engine many times.
pub(crate) const USUAL_OPERATION: Duration = Duration::from_secs(10);

/// Who is told, once by whoever is asked; at first nobody.
#[derive(Default)]
pub(crate) struct Patience(Cell<Option<fn(&str)>>);

impl Patience {
    /// From now on `told` is.
    pub(crate) fn is_told(&self, told: fn(&str)) {
        self.0.set(Some(told));
    }

    /// From now on nobody is told.
    pub(crate) fn is_over(&self) {
        self.0.take();
    }

    /// Tells that `who` has not done `what`, and has `limit` in all.
    pub(crate) fn ends(&self, who: &str, what: &str, limit: Duration) {
        if let Some(told) = self.0.take() {
            let limit = limit.as_secs();
            told(&format!(
                "{who} takes long to {what}: it is waited for, up to {limit} s"
            ));
        }
    }
}

/// What ends the patience with an answer.
pub(crate) struct Slow<'a> {
    pub(crate) patience: &'a Patience,
    /// Who answers.
    pub(crate) who: &'static str,
    pub(crate) what: &'static str,
    /// When the answer is late.
    pub(crate) at: Instant,
}
