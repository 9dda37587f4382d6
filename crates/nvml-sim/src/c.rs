//! What C callers hand us: the only place that follows their pointers.
//!
//! The types stand in the signatures of the exported functions. Their fields are private, so a
//! value comes from a caller, who has promised what `nvml.h` asks: a pointer is null, or valid for
//! as many elements as the length passed with it.

use std::{
    ffi::{CStr, c_char, c_uint},
    mem::MaybeUninit,
};

use crate::fault::Fault;

/// Where the caller wants one value; `None` is its null pointer.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Gives the caller `value`.
pub(crate) fn put<T>(out: Out<'_, T>, value: T) -> Result<(), Fault> {
    out.ok_or(Fault::INVALID_ARGUMENT)?.write(value);
    Ok(())
}

/// A text from the caller.
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// The text, unless it is null or not UTF-8.
    pub(crate) fn read(&self) -> Option<&str> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not null, so by the caller's promise a string that ends in a NUL.
        unsafe { CStr::from_ptr(self.0) }.to_str().ok()
    }
}

/// Room at the caller's for several values.
#[repr(transparent)]
pub(crate) struct Array<T>(*mut T);

impl Array<c_char> {
    /// Gives the caller `text`, if it fits with its NUL into the `length` that came with the array.
    pub(crate) fn put_text(self, length: c_uint, text: &str) -> Result<(), Fault> {
        if self.0.is_null() {
            return Err(Fault::INVALID_ARGUMENT);
        }
        if text.len() >= length as usize {
            return Err(Fault::INSUFFICIENT_SIZE);
        }
        // SAFETY: not null, so by the caller's promise valid for `length` bytes, and the text is
        // shorter than that by one at least.
        unsafe {
            text.as_ptr().copy_to(self.0.cast(), text.len());
            self.0.add(text.len()).write(0);
        }
        Ok(())
    }
}

impl<T: Copy> Array<T> {
    /// Gives the caller `items`, if its `count` says that there is room for them.
    ///
    /// The count becomes the number of items in either case.
    pub(crate) fn put_all(self, count: Option<&mut c_uint>, items: &[T]) -> Result<(), Fault> {
        let count = count.ok_or(Fault::INVALID_ARGUMENT)?;
        let room = *count as usize;
        *count = items.len() as c_uint;
        if room < items.len() {
            return Err(Fault::INSUFFICIENT_SIZE);
        }
        if items.is_empty() {
            return Ok(());
        }
        if self.0.is_null() {
            return Err(Fault::INVALID_ARGUMENT);
        }
        // SAFETY: not null, so by the caller's promise valid for `room` items, and there are no
        // more than that.
        unsafe { items.as_ptr().copy_to(self.0, items.len()) };
        Ok(())
    }
}
