//! Tests of the commands on a real engine: one module for each command, and some for all of them.

mod attach;
mod common;
mod create;
mod lifecycle;
mod smoke;
