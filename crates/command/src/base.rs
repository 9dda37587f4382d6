//! The image that another begins from, or a container: a name, or a framework of the catalogue.

use ds01_cli::Ui;
use ds01_core::{
    catalogue::{Hardware, NoImage, Wish, choose, frameworks},
    failure::{Failure, Kind},
    recipe::image_name,
    sources::{PYPROJECT, Settings},
};
use ds01_host::{
    Host,
    ops::{Catalogue, Offered},
};

use crate::ask;

/// The framework of a project that names none.
pub(crate) const FRAMEWORK: &str = "pytorch";

/// What an image begins from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// This one.
    Image(String),
    /// The newest of the catalogue that works on this host.
    Framework(Wish),
}

/// An image to begin from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) image: String,
    /// The framework that it is for.
    pub(crate) framework: String,
}

/// The image that a project's begins from: what was asked for; else what the project says; else the
/// host's default; else, where nobody can be asked, the newest with the usual framework.
///
/// # Errors
///
/// Status 3 if there is none; status 2 for what is no name.
pub(crate) fn begin(
    host: &Host,
    ui: &mut Ui,
    asked: Option<&Base>,
    settings: &Settings,
    asks: bool,
) -> Result<Begun, Failure> {
    let wish = match (asked, &settings.base_image, &settings.framework) {
        (Some(Base::Image(image)), ..) | (None, Some(image), _) => {
            return named(host, ui, image, settings);
        }
        (Some(Base::Framework(wish)), ..) => Some(wish.clone()),
        (None, None, Some(framework)) => Some(framework.parse().map_err(|_| {
            let message = format!("{PYPROJECT} is wrong: {framework:?} is no framework");
            Failure::new(Kind::Usage, message)
                .with_hint("as in framework = \"pytorch\" or \"pytorch:2.8\"")
        })?),
        (None, None, None) => None,
    };
    let offered = ask(host, ui, &Catalogue {})?;
    if let (None, Some(image)) = (&wish, &offered.default_image) {
        return named(host, ui, image, settings);
    }
    match wish {
        Some(wish) => newest(ui, &offered, &wish),
        None if asks => choose_one(ui, &offered),
        None => newest(ui, &offered, &FRAMEWORK.parse()?),
    }
}

/// The image that a project's files name by now.
///
/// # Errors
///
/// As [`begin`]; and if the engine does not answer: what is written into a Dockerfile then, no later
/// build would look up again.
pub(crate) fn now_named(host: &Host, ui: &mut Ui, settings: &Settings) -> Result<String, Failure> {
    if let Some(image) = &settings.base_image {
        host.find_image(image_name(image)?)?;
    }
    Ok(begin(host, ui, None, settings, false)?.image)
}

/// The image that is called so: one that this host has, or else the catalogue, or else whatever
/// registry the engine asks.
fn named(host: &Host, ui: &mut Ui, name: &str, settings: &Settings) -> Result<Begun, Failure> {
    let begun = |image: &str| Begun {
        image: image.into(),
        framework: settings.framework.clone().unwrap_or(FRAMEWORK.into()),
    };
    // An engine that does not answer now may do so when it is built.
    match host.find_image(image_name(name)?) {
        Ok(Some(image)) => return Ok(begun(&image)),
        Err(_) => return Ok(begun(name)),
        Ok(None) => {}
    }
    let Ok(wish) = name.parse() else {
        return Ok(begun(name));
    };
    let offered = ask(host, ui, &Catalogue {})?;
    match choose(&offered.entries, &wish, &offered.hardware) {
        Ok(entry) => Ok(begun(&entry.image)),
        Err(NoImage::Framework { .. }) => Ok(begun(name)),
        Err(none) => Err(none.into()),
    }
}

/// The newest of the catalogue.
fn newest(ui: &mut Ui, offered: &Offered, wish: &Wish) -> Result<Begun, Failure> {
    let entry = choose(&offered.entries, wish, &offered.hardware)?;
    ui.explain(format_args!(
        "of the catalogue, {} {} is the newest for {}",
        entry.framework,
        entry.version,
        shown(&offered.hardware)
    ));
    Ok(Begun {
        image: image_name(&entry.image)?.into(),
        framework: entry.framework.to_lowercase(),
    })
}

fn shown(hardware: &Hardware) -> String {
    if hardware.capabilities.is_empty() {
        return "a host without GPUs".into();
    }
    let gpus = hardware.capabilities.iter();
    let gpus: Vec<_> = gpus.map(|gpu| format!("{}.{}", gpu.0, gpu.1)).collect();
    let cuda = hardware.cuda.map_or(String::new(), |cuda| {
        format!(", and a driver that knows CUDA {cuda}")
    });
    format!("GPUs of compute capability {}{cuda}", gpus.join(", "))
}

/// The framework that is chosen from those of the catalogue, or an image that is typed.
fn choose_one(ui: &mut Ui, offered: &Offered) -> Result<Begun, Failure> {
    let frameworks = frameworks(&offered.entries);
    let found = frameworks.iter().filter_map(|name| {
        let wish = name.parse().ok()?;
        choose(&offered.entries, &wish, &offered.hardware).ok()
    });
    let found: Vec<_> = found.collect();
    let rows = found.iter().map(|entry| {
        [
            entry.framework.clone(),
            entry.version.clone(),
            entry.image.clone(),
        ]
    });
    let other = ["another", "", "an image that you name"].map(String::from);
    let rows: Vec<_> = rows.chain([other]).collect();
    let chosen = match found.is_empty() {
        true => 0,
        false => ui.choose("Which framework?", &rows)?,
    };
    match found.get(chosen) {
        Some(entry) => Ok(Begun {
            image: image_name(&entry.image)?.into(),
            framework: entry.framework.to_lowercase(),
        }),
        None => {
            let question = "Image to begin from, of those that image-list --all shows";
            let image = ui.input(question, "none", |text| match text {
                "none" => Ok(None),
                text => Ok(Some(image_name(text)?.to_string())),
            })?;
            let framework = FRAMEWORK.to_string();
            let begun = |image| Begun { image, framework };
            image.map(begun).ok_or_else(|| {
                let message = "no image to begin from was named";
                Failure::new(Kind::NotFound, message)
            })
        }
    }
}
