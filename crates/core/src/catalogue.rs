//! `ml_images.repo`: which image has which framework, a line each: `Pytorch, 2.8.0, CUDA_ADA, image`.

/// The newest image of a framework in a catalogue's text; the first of those of one version. A
/// line that is none is passed over, as AIME's own commands do.
pub fn newest<'a>(text: &'a str, framework: &str) -> Option<&'a str> {
    let fits = |line: &'a str| {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        match fields[..] {
            [name, version, _, image] if name.eq_ignore_ascii_case(framework) => {
                Some((numbers(version), image))
            }
            _ => None,
        }
    };
    let images = text.lines().filter_map(fits);
    let newer = |best: (Vec<u64>, &'a str), next: (Vec<u64>, &'a str)| match next.0 > best.0 {
        true => next,
        false => best,
    };
    images.reduce(newer).map(|(_, image)| image)
}

/// `2.13.1-aime` as 2, 13, 1.
fn numbers(version: &str) -> Vec<u64> {
    let number = |part: &str| {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    version.split('.').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_by_number() {
        let text = "# comment\nPytorch, 2.8.0, CUDA_ADA, a\nPytorch, 2.10.1-x, CUDA_ADA, b\n\
                    pytorch, 2.10.1, CUDA_AMPERE, c\nTensorflow, 3.0, CUDA_ADA, d\nPytorch, 9\n";
        assert_eq!(newest(text, "PyTorch"), Some("b"));
        assert_eq!(newest(text, "tensorflow"), Some("d"));
        assert_eq!(newest(text, "jax"), None);
        assert_eq!(newest("", "pytorch"), None);
    }
}
