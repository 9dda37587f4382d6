//! Tests of the commands on a real engine: one module for each command, and some for all of them.

mod crashes;
mod ledger_faults;
mod races;
mod smoke;
mod support;
