//! The domain of DS01 and every decision it takes.
//!
//! Plain values in, plain values out: no file, clock, environment, socket or
//! thread. Modules named by nouns hold data, modules named by verbs decide.

pub mod failure;
pub mod name;
pub mod share;
