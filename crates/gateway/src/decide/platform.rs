//! Platforms of images.

/// Whether a platform is that of a host, as Docker reads it: it knows some machines by several
/// names.
pub(super) fn is_of(platform: &str, system: &str, machine: &str) -> bool {
    let platform = platform.to_ascii_lowercase();
    // The least of a machine's variants has the machine's own name, too.
    let least = match machine {
        "arm64" => "/v8",
        "amd64" => "/v1",
        _ => "",
    };
    let is_machine = |name: &str| {
        let name = match name {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            name => name,
        };
        name == machine
    };
    match platform.split_once('/') {
        Some((name, rest)) => {
            name == system && is_machine(rest.strip_suffix(least).unwrap_or(rest))
        }
        None => platform == system || is_machine(&platform),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_the_hosts_by_each_name_that_docker_has_for_it() {
        let own = [
            ("linux/amd64", "amd64"),
            ("linux/x86_64", "amd64"),
            ("Linux/X86-64", "amd64"),
            ("x86_64", "amd64"),
            ("linux", "amd64"),
            ("linux/arm64", "arm64"),
            ("linux/arm64/v8", "arm64"),
            ("linux/aarch64", "arm64"),
            ("AARCH64", "arm64"),
            ("linux/amd64/v1", "amd64"),
            ("linux/riscv64", "riscv64"),
        ];
        for (platform, machine) in own {
            assert!(is_of(platform, "linux", machine), "{platform} {machine}");
        }
        let others = [
            ("linux/arm64", "amd64"),
            ("linux/aarch64", "amd64"),
            ("linux/x86_64", "arm64"),
            ("windows/amd64", "amd64"),
            ("linux/amd64/v3", "amd64"),
            ("linux/amd64/v8", "amd64"),
            ("linux/arm64/v1", "arm64"),
            ("linux/arm/v8", "amd64"),
            ("x86_64/v1", "amd64"),
            ("linux/v1", "amd64"),
            ("linux/", "amd64"),
        ];
        for (platform, machine) in others {
            assert!(!is_of(platform, "linux", machine), "{platform} {machine}");
        }
    }
}
