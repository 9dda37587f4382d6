//! What several tests share.

pub(crate) mod engine_view;
