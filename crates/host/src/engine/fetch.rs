//! An image from its registry.

use bollard::query_parameters::CreateImageOptions;
use ds01_core::failure::Failure;

use super::{Call, Engine, long::Unmade};

impl Engine {
    /// Fetches an image that has a tag or digest in its name. `heard` is told what goes on, and its
    /// failure ends that.
    ///
    /// # Errors
    ///
    /// [`Unmade`].
    pub(crate) fn fetch(
        &self,
        image: &str,
        heard: &mut dyn FnMut(Option<String>) -> Result<(), Failure>,
    ) -> Result<(), Unmade> {
        let options = CreateImageOptions {
            from_image: Some(image.into()),
            ..CreateImageOptions::default()
        };
        let docker = &self.client()?.docker;
        let said = docker.create_image(Some(options), None, None);
        self.listen(Call::Change("fetch the image"), said, &mut |info| {
            heard(info.and_then(|info| {
                let part = info.id.map_or(String::new(), |id| format!("{id}: "));
                Some(part + &info.status?)
            }))
        })
    }
}
