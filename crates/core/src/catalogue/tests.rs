use super::*;

/// A host whose driver knows this CUDA, with GPUs of these capabilities.
fn hardware(cuda: (u32, u32), gpus: &[(u32, u32)]) -> Hardware {
    let (major, minor) = cuda;
    Hardware {
        cuda: Some(Cuda { major, minor }),
        capabilities: gpus
            .iter()
            .map(|(major, minor)| Capability(*major, *minor))
            .collect(),
    }
}

const TEXT: &str = "\
# a comment, with, four, fields
Tensorflow, 2.16.1, CUDA_ADA, tf:2.16.1-cuda12.3
Tensorflow, 2.10.0, CUDA_AMPERE, tf:2.10.0-cuda11.2
Pytorch, 2.10.0, CUDA_BLACKWELL, torch:2.10-cuda13.0
Pytorch, 2.9.1, [CUDA_ADA], torch:2.9-cuda12.6
Pytorch, 2.9.1-aime, CUDA_ADA, torch:2.9-aime-cuda12.6
pytorch, 2.9.1, CUDA_BLACKWELL, torch:2.9-cuda12.8
Pytorch, 2.9.1, CPU, torch:2.9-cpu
Pytorch, 2.5.1, CUDA_AMPERE, torch:2.5-cuda11.8
Pytorch, 2.80.0, ROCM6, torch:rocm
Jax, 25.04-cuda12.9, CUDA_BLACKWELL, nvcr.io/nvidia/jax:25.04-py3
Pytorch, 9
";

fn chosen(wish: &str, hardware: &Hardware) -> Result<String, NoImage> {
    choose(&read(TEXT), &wish.parse().unwrap(), hardware).map(|entry| entry.image.clone())
}

#[test]
fn the_newest_that_gpus_and_driver_support_is_chosen() {
    let (v100, a100, h100, b200) = ((7, 0), (8, 0), (9, 0), (10, 0));
    for (wish, cuda, gpus, image) in [
        ("pytorch", (13, 0), &[b200][..], "torch:2.10-cuda13.0"),
        ("pytorch", (13, 1), &[h100], "torch:2.10-cuda13.0"),
        ("pytorch", (12, 8), &[b200], "torch:2.9-cuda12.8"),
        // Of one version, what is made for the GPUs that there are; all of them must work.
        ("pytorch", (12, 8), &[h100], "torch:2.9-cuda12.6"),
        ("pytorch", (12, 8), &[h100, b200], "torch:2.9-cuda12.8"),
        ("pytorch", (12, 4), &[a100], "torch:2.5-cuda11.8"),
        // CUDA 13 has given up Volta.
        ("pytorch", (13, 0), &[v100], "torch:2.9-cuda12.6"),
        ("PyTorch:2.9", (13, 0), &[b200], "torch:2.9-cuda12.8"),
        ("pytorch 2.5", (13, 0), &[a100], "torch:2.5-cuda11.8"),
        (
            "torch:2.9.1-aime",
            (13, 0),
            &[a100],
            "torch:2.9-aime-cuda12.6",
        ),
        ("pytorch:2", (13, 0), &[a100], "torch:2.10-cuda13.0"),
        ("pytorch:latest", (13, 0), &[a100], "torch:2.10-cuda13.0"),
        ("tf", (12, 4), &[h100], "tf:2.16.1-cuda12.3"),
        ("tensorflow", (12, 0), &[a100], "tf:2.10.0-cuda11.2"),
        ("jax", (12, 9), &[a100], "nvcr.io/nvidia/jax:25.04-py3"),
        ("pytorch-cpu", (13, 0), &[a100], "torch:2.9-cpu"),
        ("pytorch-cpu:2.9", (13, 0), &[a100], "torch:2.9-cpu"),
    ] {
        let found = chosen(wish, &hardware(cuda, gpus));
        assert_eq!(found.as_deref(), Ok(image), "{wish} {cuda:?} {gpus:?}");
    }
    let silent = Hardware {
        cuda: None,
        capabilities: vec![Capability(9, 0)],
    };
    assert_eq!(
        chosen("pytorch", &silent).as_deref(),
        Ok("torch:2.10-cuda13.0")
    );
}

#[test]
fn where_no_gpu_is_the_variant_for_none_is_chosen() {
    let none = Hardware::default();
    assert_eq!(chosen("pytorch", &none).as_deref(), Ok("torch:2.9-cpu"));
    // Where there is none, any works without.
    assert_eq!(
        chosen("tensorflow", &none).as_deref(),
        Ok("tf:2.16.1-cuda12.3")
    );
    assert_eq!(
        chosen("pytorch", &hardware((12, 4), &[])).as_deref(),
        Ok("torch:2.9-cpu")
    );
}

#[test]
fn what_there_is_not_is_said_with_what_there_is() {
    let said = |wish: &str, hardware: &Hardware| {
        let none = chosen(wish, hardware).unwrap_err();
        format!("{none}; {}", none.hint().unwrap())
    };
    let a100 = hardware((12, 4), &[(8, 0)]);
    for (wish, hardware, expected) in [
        (
            "caffe",
            &a100,
            "this host's catalogue of images has no caffe; it has tensorflow, pytorch, jax; or name an \
             image with --image=<image>",
        ),
        (
            "pytorch:2.7",
            &a100,
            "this host's catalogue of images has no pytorch:2.7; it has 2.10.0, 2.9.1, 2.9.1-aime, \
             2.9.1, 2.5.1; or name an image with --image=<image>",
        ),
        (
            "pytorch:2.80",
            &a100,
            "this host's catalogue of images has no pytorch:2.80; it has 2.10.0, 2.9.1, 2.9.1-aime, \
             2.9.1, 2.5.1; or name an image with --image=<image>",
        ),
        (
            "pytorch-cpu:2.5",
            &a100,
            "this host's catalogue of images has no pytorch-cpu:2.5; it has 2.9.1; or name an image \
             with --image=<image>",
        ),
        (
            "tensorflow-cpu",
            &a100,
            "this host's catalogue of images has no tensorflow-cpu; name an image with --image=<image>, of \
             those that image-list --all shows",
        ),
        (
            "jax",
            &a100,
            "no image of jax works here: of the newest, nvcr.io/nvidia/jax:25.04-py3, it needs CUDA \
             12.9, and the driver knows 12.4 at most; no other version works either; name an image with \
             --image=<image>, if you know better",
        ),
        (
            "tensorflow:2.10",
            &hardware((12, 4), &[(8, 0), (9, 0)]),
            "no image of tensorflow:2.10 works here: of the newest, tf:2.10.0-cuda11.2, it is made for \
             GPUs older than this host's, of compute capability 9.0; ask for version 2.16.1, the newest of \
             tensorflow that works here",
        ),
        // Not 2.10, which this driver is too old for as well.
        (
            "torch:2.9",
            &a100,
            "no image of pytorch:2.9 works here: of the newest, torch:2.9-cuda12.6, it needs CUDA 12.6, \
             and the driver knows 12.4 at most; ask for version 2.5.1, the newest of pytorch \
             that works here",
        ),
    ] {
        assert_eq!(said(wish, hardware), expected);
    }
    let empty = choose(&[], &"jax".parse().unwrap(), &a100).unwrap_err();
    assert_eq!(
        empty.hint().unwrap(),
        "name an image with --image=<image>, of those that image-list --all shows"
    );
}

#[test]
fn cuda_is_told_by_a_name() {
    let of = |name: &str| cuda_in(name).map(|cuda| cuda.to_string());
    for (name, cuda) in [
        (
            "pytorch/pytorch:2.8.0-cuda12.6-cudnn9-runtime",
            Some("12.6"),
        ),
        ("aimehub/pytorch-2.5.1-aime-cuda12.1.1", Some("12.1")),
        ("aimehub/tensorflow-2.4.1-cuda110-aime", Some("11.0")),
        ("aimehub/tensorflow-2.4.1-cuda", None),
        ("x:2.8-cu126", Some("12.6")),
        ("nvidia/cuda:12.4.1-devel", Some("12.4")),
        ("x:cuda-13", Some("13.0")),
        ("nvcr.io/nvidia/jax:25.04-py3", None),
        ("focus9/x:cudnn9", None),
    ] {
        assert_eq!(of(name).as_deref(), cuda, "{name}");
    }
}

#[test]
fn what_no_framework_is_called_is_none() {
    for odd in [
        "",
        " ",
        "a/b",
        "a:b:c",
        "pytorch:",
        "a b c",
        "a@sha256:0",
        "-cpu",
        "$x",
    ] {
        assert_eq!(odd.parse::<Wish>(), Err(NoWish), "{odd:?}");
    }
    for wish in ["pytorch", "pytorch:2.8", "pytorch-cpu:2.8.0"] {
        assert_eq!(wish.parse::<Wish>().unwrap().to_string(), wish);
    }
}

#[test]
fn the_shipped_catalogue_has_an_image_for_each_framework_everywhere() {
    let text = include_str!("../../../../scripts/package/etc/ml_images.repo");
    let entries = read(text);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(entries.len(), lines.count(), "each line is read");
    assert_eq!(frameworks(&entries), ["pytorch", "tensorflow", "jax"]);
    for entry in &entries {
        let told = entry.cuda().is_some();
        assert_eq!(
            told,
            entry.arch != Arch::Cpu,
            "{} tells its CUDA",
            entry.image
        );
    }
    for framework in frameworks(&entries) {
        let wish: Wish = framework.parse().unwrap();
        for hardware in [
            Hardware::default(),
            hardware((12, 6), &[(8, 0)]),
            hardware((12, 8), &[(9, 0)]),
            hardware((13, 0), &[(8, 0)]),
        ] {
            let found = choose(&entries, &wish, &hardware);
            assert!(found.is_ok(), "{framework} {hardware:?}: {found:?}");
        }
    }
    let blackwell = hardware((13, 0), &[(12, 0)]);
    let found = choose(&entries, &"pytorch".parse().unwrap(), &blackwell).unwrap();
    assert_eq!(found.arch, Arch::Blackwell);
    // The simulated driver, on which README.md's examples are tried.
    let simulated = hardware((12, 4), &[(9, 0)]);
    let found = choose(&entries, &"pytorch".parse().unwrap(), &simulated);
    assert_eq!(found.unwrap().version, "2.5.1");
}

#[test]
fn what_an_image_is_made_for_stands_in_its_line() {
    let entries = read(&format!("{TEXT}Mine, 1.0-x, CPU, lab/odd\n"));
    for (image, framework) in [
        ("torch:2.9-aime-cuda12.6", Some("Pytorch-2.9.1-aime")),
        ("nvcr.io/nvidia/jax:25.04-py3", Some("Jax-25.04-cuda12.9")),
        ("lab/odd", Some("Mine-1.0-x")),
        ("lab/odd:latest", Some("Mine-1.0-x")),
        ("lab/odd:2", None),
        ("torch", None),
    ] {
        assert_eq!(
            framework_of(&entries, image).as_deref(),
            framework,
            "{image}"
        );
    }
}
