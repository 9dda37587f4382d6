//! Tests of the commands on a real engine: one module for each command, and some for all of them.

mod attach;
mod crashes;
mod create;
mod gpu_status;
mod ledger_faults;
mod lifecycle;
mod limits;
mod list;
mod races;
mod smoke;
mod support;
