//! Images by name: whether this host has one, and how it comes to have it.
//!
//! As [`crate::build`], not an [`crate::Operation`]: whoever answers Docker's own calls is asked.

use ds01_core::{
    failure::{Failure, Kind},
    image,
};

use crate::{Host, engine::Unmade, users::image_with_uid};

impl Host {
    /// The engine's name for the image that the caller calls so, if this host has it: their own goes
    /// before a shared one.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub fn find_image(&self, name: &str) -> Result<Option<String>, Failure> {
        let uid = self.caller().uid;
        let engine = self.engine();
        for candidate in image::candidates(&image_with_uid(name, uid), uid) {
            if engine.image(&candidate)?.is_some() {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Fetches an image from its registry. `watch` is told what goes on, and `None` every moment at
    /// least; its failure ends that.
    ///
    /// # Errors
    ///
    /// That of `watch`; status 1 if it cannot be had.
    pub fn fetch(
        &self,
        image: &str,
        watch: &mut dyn FnMut(Option<&str>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let whole = match image.rsplit('/').next() {
            Some(last) if last.contains([':', '@']) => image.to_string(),
            _ => format!("{image}:latest"),
        };
        let fetched = self
            .engine()
            .fetch(&whole, &mut |said| watch(said.as_deref()));
        let unmade = match fetched {
            Ok(()) => return Ok(()),
            Err(unmade) => unmade,
        };
        let words = match unmade {
            // The engine's own refusal has the registry's words; any other is our own.
            Unmade::Failure(failure) if !matches!(failure.kind, Kind::Failed | Kind::NotFound) => {
                return Err(failure);
            }
            Unmade::Failure(failure) => failure.one_line(),
            Unmade::Said(words) => words,
        };
        let mut failure = Failure::new(Kind::Failed, format!("cannot fetch the image {image}"));
        failure
            .causes
            .push(words.split_whitespace().collect::<Vec<_>>().join(" "));
        Err(failure.with_hint("name one that this host has, of those that image-list --all shows"))
    }
}
