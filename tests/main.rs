//! Tests of the commands on a real engine: one module for each command, and some for all of them.

mod attach;
mod conventions;
mod create;
mod gpu_status;
mod lifecycle;
mod limits;
mod list;
mod races;
mod scripts;
mod smoke;
mod support;
