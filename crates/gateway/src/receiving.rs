//! How many folders of a user are on their way to the host's disk.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use ds01_core::failure::{Failure, Kind};

/// Folders of one user at a time.
const PER_USER: usize = 2;

/// Whose folders are being received.
#[derive(Debug, Default)]
pub(crate) struct Receiving(Mutex<HashMap<u32, usize>>);

impl Receiving {
    /// Counts one more, until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// If this user has as many as may be.
    pub(crate) fn one_of(&self, uid: u32) -> Result<Place<'_>, Failure> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(uid).or_default();
        if *count == PER_USER {
            let text = format!("you have {PER_USER} builds that are still sending their folder");
            return Err(Failure::new(Kind::Busy, text).with_hint("try again when one of them has"));
        }
        *count += 1;
        Ok(Place { of: self, uid })
    }
}

/// A folder that is being received.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    of: &'a Receiving,
    uid: u32,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_folder_waits_for_one_of_two() {
        let receiving = Receiving::default();
        let first = receiving.one_of(1).unwrap();
        let _second = receiving.one_of(1).unwrap();
        let _somebody_elses = receiving.one_of(2).unwrap();
        let refused = receiving.one_of(1).unwrap_err();
        assert_eq!(
            refused.message,
            "you have 2 builds that are still sending their folder"
        );
        drop(first);
        assert!(receiving.one_of(1).is_ok());
    }
}
