//! Packages that somebody installed in a container, and the `requirements.txt` that keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::requirements::{self, CONDA, normal};

/// Who installed a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Installer {
    /// pip, or what leaves the same traces: uv, poetry.
    Pip,
    /// conda or mamba, and it is nothing of Python's: pip could not install it.
    Conda,
}

/// A package, and its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name, as PEP 503 normalises it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Who installed it.
    pub installer: Installer,
}

impl Package {
    /// The line that stands for it in `requirements.txt`. That file is pip's: what pip cannot
    /// install is a comment there.
    pub fn line(&self) -> String {
        let Self { name, version, .. } = self;
        match self.installer {
            Installer::Pip => format!("{name}=={version}"),
            Installer::Conda => format!("{CONDA}{name}={version}"),
        }
    }
}

/// The packages whose traces are among the paths that a container has and its image has not.
///
/// What pip leaves is `…/site-packages/<name>-<version>.dist-info`; what conda leaves,
/// `…/conda-meta/<name>-<version>-<build>.json`. What is bundled in another package is not counted.
pub fn installed<'a>(added: impl IntoIterator<Item = &'a str>) -> Vec<Package> {
    let mut found = BTreeMap::new();
    let mut by_conda = Vec::new();
    for path in added {
        let mut parts = path.rsplit('/');
        let (Some(last), Some(folder)) = (parts.next(), parts.next()) else {
            continue;
        };
        match folder {
            "site-packages" | "dist-packages" => {
                if let Some((name, version)) = by_pip(last) {
                    let installer = Installer::Pip;
                    found.insert(name, (version, installer));
                }
            }
            "conda-meta" => by_conda.extend(of_conda(last)),
            _ => {}
        }
    }
    for (name, version) in by_conda {
        found.entry(name).or_insert((version, Installer::Conda));
    }
    let package = |(name, (version, installer))| Package {
        name,
        version,
        installer,
    };
    found.into_iter().map(package).collect()
}

fn by_pip(folder: &str) -> Option<(String, String)> {
    if let Some(start) = folder.strip_suffix(".dist-info") {
        return named(start.split_once('-')?);
    }
    // setuptools adds the version of Python.
    let start = folder.strip_suffix(".egg-info")?;
    let (name, version) = start.split_once('-')?;
    named((name, version.split("-py").next().unwrap_or(version)))
}

fn of_conda(file: &str) -> Option<(String, String)> {
    let (start, _build) = file.strip_suffix(".json")?.rsplit_once('-')?;
    named(start.rsplit_once('-')?)
}

/// A name and version, if they are such: the folder's name is whatever its maker chose.
fn named((name, version): (&str, &str)) -> Option<(String, String)> {
    let word = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits)
    };
    (word(name, "._-") && word(version, ".+!_")).then(|| (normal(name), version.to_string()))
}

/// Those of `packages` that a `requirements.txt` does not name, in whatever version.
pub fn missing(requirements: &str, packages: &[Package]) -> Vec<Package> {
    let known = requirements::names(requirements);
    let missing = packages
        .iter()
        .filter(|package| !known.contains(&package.name));
    missing.cloned().collect()
}

/// A `requirements.txt` with lines for `packages` at its end.
pub fn with(requirements: &str, packages: &[Package]) -> String {
    let lines: Vec<_> = packages.iter().map(Package::line).collect();
    requirements::with(requirements, lines.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(packages: &[Package]) -> Vec<String> {
        packages.iter().map(Package::line).collect()
    }

    #[test]
    fn what_was_installed_is_known_by_its_traces() {
        let added = [
            "/home/a/.local/lib/python3.11/site-packages/Requests-2.32.0.dist-info",
            "/home/a/.local/lib/python3.11/site-packages/Requests-2.32.0.dist-info/METADATA",
            "/home/a/.local/lib/python3.11/site-packages/requests",
            "/usr/lib/python3/dist-packages/ruamel.yaml-0.18.6.dist-info",
            "/usr/lib/python3/dist-packages/old_style-1.0-py3.11.egg-info",
            "/opt/venv/lib/python3.11/site-packages/torch-2.8.0+cu121.dist-info",
            "/opt/conda/conda-meta/numpy-1.26.4-py311h64a7726_0.json",
            "/opt/conda/lib/python3.11/site-packages/numpy-1.26.4.dist-info",
            "/opt/conda/conda-meta/cuda-toolkit-12.4.1-0.json",
            // Bundled, in development, or made up.
            "/usr/lib/python3/site-packages/setuptools/_vendor/wheel-0.43.0.dist-info",
            "/work/site-packages/mine.egg-info",
            "/x/site-packages/a\nb-1.dist-info",
            "/x/site-packages/a-1 --hash.dist-info",
            "/x/site-packages/-1.dist-info",
            "/opt/conda/conda-meta/history",
        ];
        assert_eq!(
            lines(&installed(added)),
            [
                "# conda: cuda-toolkit=12.4.1",
                "numpy==1.26.4",
                "old-style==1.0",
                "requests==2.32.0",
                "ruamel-yaml==0.18.6",
                "torch==2.8.0+cu121",
            ]
        );
    }

    #[test]
    fn what_stands_there_in_any_spelling_is_not_added_again() {
        let text = "\u{feff}Requests>=2 # kept\n ruamel_yaml\nnumpy [extra] ; python_version>'3'\n\
                    torch@ https://x/torch.whl\ngit+https://x/y#egg=Old.Style\n# scipy==1\n\
                    # conda: cuda-toolkit=12.4.1\n-r other.txt\n./wheel-1.whl\nhttps://pandas/x\n";
        let names = [
            "requests",
            "ruamel-yaml",
            "numpy",
            "torch",
            "old-style",
            "scipy",
            "cuda-toolkit",
            "r",
            "wheel",
            "https",
            "pandas",
        ];
        let packages = names.map(|name| Package {
            name: name.into(),
            version: "1".into(),
            installer: Installer::Pip,
        });
        let missing = missing(text, &packages);
        let names: Vec<_> = missing.iter().map(|package| &*package.name).collect();
        assert_eq!(names, ["scipy", "r", "wheel", "https", "pandas"]);
    }
}
