//! What several tests share.

pub(crate) mod awaited;
pub(crate) mod duties;
pub(crate) mod engine_view;
pub(crate) mod expect;
pub(crate) mod hung;
pub(crate) mod kill_points;
pub(crate) mod line;
pub(crate) mod python;
pub(crate) mod registry;
pub(crate) mod two_devices;
pub(crate) mod view;
