//! nvml-sim
