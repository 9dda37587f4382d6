//! NVML's errors, and calls that never return.

use std::{ffi::CStr, fmt};

use nvml_wrapper_sys::bindings as nvml;
use nvml_wrapper_sys::bindings::nvmlReturn_t;
use serde::Deserialize;

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Fault {
    /// It returns this number.
    Error(nvmlReturn_t),
    /// It never returns.
    Hang,
}

impl Fault {
    pub(crate) const UNINITIALIZED: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED);
    pub(crate) const INVALID_ARGUMENT: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    pub(crate) const NOT_SUPPORTED: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED);
    pub(crate) const NOT_FOUND: Self = Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND);
    pub(crate) const INSUFFICIENT_SIZE: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE);
    pub(crate) const DRIVER_NOT_LOADED: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED);
    pub(crate) const GPU_IS_LOST: Self = Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST);
    pub(crate) const VERSION_MISMATCH: Self =
        Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    pub(crate) const UNKNOWN: Self = Self::Error(nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN);
}

/// Every result: its number, its name in `nvml.h` after `NVML_ERROR_`, and what `nvmlErrorString` says.
const RESULTS: &[(nvmlReturn_t, &str, &CStr)] = &[
    (0, "", c"Success"),
    (1, "UNINITIALIZED", c"Uninitialized"),
    (2, "INVALID_ARGUMENT", c"Invalid Argument"),
    (3, "NOT_SUPPORTED", c"Not Supported"),
    (4, "NO_PERMISSION", c"Insufficient Permissions"),
    (5, "ALREADY_INITIALIZED", c"Already Initialized"),
    (6, "NOT_FOUND", c"Not Found"),
    (7, "INSUFFICIENT_SIZE", c"Insufficient Size"),
    (8, "INSUFFICIENT_POWER", c"Insufficient External Power"),
    (9, "DRIVER_NOT_LOADED", c"Driver Not Loaded"),
    (10, "TIMEOUT", c"Timeout"),
    (11, "IRQ_ISSUE", c"Interrupt Request Issue"),
    (12, "LIBRARY_NOT_FOUND", c"NVML Shared Library Not Found"),
    (13, "FUNCTION_NOT_FOUND", c"Function Not Found"),
    (14, "CORRUPTED_INFOROM", c"Corrupted infoROM"),
    (15, "GPU_IS_LOST", c"GPU is lost"),
    (16, "RESET_REQUIRED", c"GPU requires reset"),
    (
        17,
        "OPERATING_SYSTEM",
        c"GPU access blocked by the operating system",
    ),
    (
        18,
        "LIB_RM_VERSION_MISMATCH",
        c"Driver/library version mismatch",
    ),
    (19, "IN_USE", c"In use by another client"),
    (20, "MEMORY", c"Insufficient Memory"),
    (21, "NO_DATA", c"No data"),
    (22, "VGPU_ECC_NOT_SUPPORTED", c"vGPU ECC not supported"),
    (23, "INSUFFICIENT_RESOURCES", c"Insufficient Resources"),
    (24, "FREQ_NOT_SUPPORTED", c"Frequency not supported"),
    (
        25,
        "ARGUMENT_VERSION_MISMATCH",
        c"Argument version mismatch",
    ),
    (26, "DEPRECATED", c"Deprecated"),
    (27, "NOT_READY", c"Not ready"),
    (28, "GPU_NOT_FOUND", c"GPU not found"),
    (29, "INVALID_STATE", c"Invalid state"),
    (30, "RESET_TYPE_NOT_SUPPORTED", c"Reset type not supported"),
    (999, "UNKNOWN", c"Unknown Error"),
];

/// What `nvmlErrorString` says of a result.
pub(crate) fn describe(result: nvmlReturn_t) -> &'static CStr {
    RESULTS
        .iter()
        .find(|(number, ..)| *number == result)
        .map_or(c"Unknown Error", |(.., text)| text)
}

/// A text that is no result of NVML.
#[derive(Debug)]
pub struct UnknownResult(String);

impl fmt::Display for UnknownResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither \"hang\" nor an error of NVML such as \"GPU_IS_LOST\"",
            self.0
        )
    }
}

impl TryFrom<String> for Fault {
    type Error = UnknownResult;

    fn try_from(name: String) -> Result<Self, UnknownResult> {
        if name == "hang" {
            return Ok(Self::Hang);
        }
        let known = RESULTS.iter().skip(1).find(|(_, known, _)| *known == name);
        known
            .map(|(number, ..)| Self::Error(*number))
            .ok_or(UnknownResult(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_hang_or_an_error_by_name() {
        let read = |name: &str| Fault::try_from(name.to_owned()).ok();
        assert_eq!(read("hang"), Some(Fault::Hang));
        assert_eq!(read("GPU_IS_LOST"), Some(Fault::GPU_IS_LOST));
        assert_eq!(
            read("ARGUMENT_VERSION_MISMATCH"),
            Some(Fault::VERSION_MISMATCH)
        );
        assert_eq!(read("UNKNOWN"), Some(Fault::UNKNOWN));
        for odd in ["", "gpu_is_lost", "NVML_ERROR_UNKNOWN"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_number_without_a_name_is_an_unknown_error() {
        assert_eq!(describe(15), c"GPU is lost");
        assert_eq!(describe(998), c"Unknown Error");
    }
}
