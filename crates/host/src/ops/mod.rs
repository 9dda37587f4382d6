//! The operations: one file each, and the only place with an order.
//!
//! Gather, decide under the lock, record, act, record.

mod account;
mod create;
mod draft;
mod freeze;
mod gpus;
mod limits;
mod list;
mod remove;
mod shell;
mod start;
mod stop;
mod target;

pub use create::{Create, Created};
pub use freeze::{Pause, Unpause};
pub use gpus::{DeviceHolder, DeviceStatus, Gpus, GpusStatus};
pub use limits::{LimitsStatus, MyLimits};
pub use list::{List, Listed};
pub use remove::{Remove, Removed};
pub use shell::{Shell, open_shell};
pub use start::{Start, Started};
pub use stop::{Describe, Described, Stop, Stopped};
