//! Tests of the commands on a real engine: one module for each command, and some for all of them.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "these are tests, functions that they share included"
)]

mod adopt;
mod attach;
mod build;
mod catalogue;
mod cleanup;
mod clients;
mod completion;
mod conventions;
mod crashes;
mod create;
mod dashboard;
mod deploy;
mod doctor;
mod ds01_docker;
mod engines;
mod events;
mod families;
mod gateway;
mod gpu_status;
mod gpu_types;
mod holds;
mod idle;
mod image_create;
mod image_update;
mod images;
mod in_force;
mod launch;
mod ledger_faults;
mod ledger_reach;
mod lifecycle;
mod limits;
mod limits_of_today;
mod list;
mod lost_root;
mod mlc;
mod name_service;
mod notices;
mod owner_tracker;
mod project_init;
mod promises;
mod queue;
mod races;
mod reserve;
mod retire;
mod rotation;
mod runtime;
mod scripts;
mod service;
mod smoke;
mod stats;
mod support;
mod user_setup;
mod wait;
