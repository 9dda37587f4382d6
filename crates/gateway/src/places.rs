//! How much of a kind a user may have under way at a time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use ds01_core::failure::{Failure, Kind};

/// Places for each user, and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    /// Of each user.
    most: usize,
    /// What takes one.
    what: &'static str,
    taken: Mutex<HashMap<u32, usize>>,
}

impl Places {
    pub(crate) fn new(most: usize, what: &'static str) -> Self {
        let taken = Mutex::default();
        Self { most, what, taken }
    }

    /// Counts one more, until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// If this user has as many as may be.
    pub(crate) fn one_of(&self, uid: u32) -> Result<Place<'_>, Failure> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(uid).or_default();
        if *count == self.most {
            let text = format!("you have {} {}", self.most, self.what);
            return Err(Failure::new(Kind::Busy, text).with_hint("try again when one of them has"));
        }
        *count += 1;
        Ok(Place { of: self, uid })
    }
}

/// One that is taken.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    of: &'a Places,
    uid: u32,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn a_third_of_two_waits_for_one_of_them() {
        let places = Places::new(2, "builds that have not ended");
        let first = places.one_of(1).unwrap();
        let _second = places.one_of(1).unwrap();
        let _somebody_elses = places.one_of(2).unwrap();
        let refused = places.one_of(1).unwrap_err();
        assert_eq!(refused.message, "you have 2 builds that have not ended");
        drop(first);
        assert!(places.one_of(1).is_ok());
    }
}
