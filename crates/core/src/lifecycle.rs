//! When a container with devices has idled or run long enough: warned, then stopped.
//!
//! A duty looks at all of them again and again. What it measured goes through [`signal::judge`];
//! [`Idle`] and [`Warnings`] remember what is needed between two passes, and tell the next
//! [`Step`]. All durations are by [`Uptime`](crate::time::Uptime). Without a device nothing is
//! ever stopped.

mod due;
mod extension;
mod first_seen;
mod idle;
mod kind;
mod signal;
mod warning;
mod watch;

pub use due::{Due, Rule, longest, words};
pub use extension::{Extension, NotExtended, extend, of_run, suggested};
pub use first_seen::FirstSeen;
pub use idle::{Demand, Idle, idle_limit};
pub use kind::ContainerKind;
pub use signal::{DeviceSample, Judged, Sample, Verdict, judge};
pub use warning::{Level, Step, Warned, Warnings};
pub use watch::{Doing, Run, Watch, Watched};
