//! `ds01-notices`: what its caller was told, and has not read yet.

use ds01_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site,
    tell::login::{self, LoginNotice},
    users::Caller,
};

/// Asks for what waits for the caller. It is told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeNotices {}

impl Operation for TakeNotices {
    const NAME: &'static str = "take-notices";
    type Answer = Vec<LoginNotice>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<LoginNotice>, Failure> {
        Ok(login::take(&site.config().paths.state, caller.uid)?)
    }
}
