//! The domain of DS01 and every decision it takes.
//!
//! Plain values in, plain values out: no file, clock, environment, socket or
//! thread. Modules named by nouns hold data, modules named by verbs decide.

pub mod account;
pub mod admit;
pub mod adopt;
pub mod alert;
pub mod allocate;
pub mod catalogue;
pub mod container;
pub mod device;
pub mod docker;
pub mod dockerfile;
pub mod dockerignore;
pub mod edit;
pub mod event;
pub mod failure;
pub mod gpu_request;
pub mod image;
pub mod label;
pub mod labels;
pub mod ledger;
pub mod ledger_text;
pub mod lifecycle;
pub mod limits;
pub mod line;
pub mod name;
pub mod owned;
pub mod owner;
pub mod packages;
pub mod policy;
pub mod printable;
pub mod project;
pub mod queue;
pub mod rebuild;
pub mod recent;
pub mod recipe;
pub mod reconcile;
pub mod record;
pub mod requirements;
pub mod reservation;
pub mod route;
pub mod share;
pub mod size;
pub mod slice;
pub mod sources;
pub mod spec;
pub mod sweep;
pub mod time;
pub mod tracked;
pub mod usage;
pub mod user;
