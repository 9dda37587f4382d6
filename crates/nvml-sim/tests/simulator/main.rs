//! The built library and hook, used as the host's programs and the engine use NVIDIA's.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod answers;
mod driver;
mod failures;
mod hook;
