use super::*;

fn texts(pyproject: &str, requirements: &str, environment: &str) -> Texts {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
    Texts {
        pyproject: some(pyproject),
        requirements: some(requirements),
        environment: some(environment),
    }
}

/// What pip is given, from one source.
fn arguments(texts: &Texts) -> Vec<String> {
    let (_, sources) = read(texts).unwrap();
    sources
        .into_iter()
        .find_map(|one| one.arguments)
        .unwrap_or_default()
}

#[test]
fn settings_are_read_and_strangers_keys_are_left_alone() {
    let text = "\u{feff}[project]\nname = 'x'\n[tool.ds01]\nframework = 'jax'\nbase-image = 'a:1'\n\
                apt = ['ffmpeg']\ngpus = 2\nauthor = 'me'\n[tool.black]\nline-length = 100\n";
    let (settings, sources) = read(&texts(text, "", "")).unwrap();
    let expected = Settings {
        framework: Some("jax".into()),
        base_image: Some("a:1".into()),
        apt: vec!["ffmpeg".into()],
        groups: Vec::new(),
        gpus: Some(GpuRequest::any(2)),
    };
    assert_eq!(super::settings(text).as_ref(), Ok(&expected));
    assert_eq!((settings, sources), (expected, Vec::new()));
    let gpus = |text: &str| super::settings(&format!("[tool.ds01]\ngpus = {text}\n"));
    let full = "full:2".parse().unwrap();
    assert_eq!(gpus("'full:2'").unwrap().gpus, Some(full));
    let odd = gpus("'many'").unwrap_err().to_string();
    assert!(odd.contains("expected a number of GPUs"), "{odd}");
    let poetry = "[project]\ndependencies = 'odd'\n";
    assert_eq!(super::settings(poetry), Ok(Settings::default()));
}

#[test]
fn a_requirement_of_a_pyproject_stays_to_the_letter() {
    let odd = [
        "numpy",
        "a.b_c-d>=1.0,<2,!=1.5",
        "x[one,two]~=1.4 ; python_version < \"3.12\" and sys_platform == 'linux'",
        "y @ https://host/y-1.whl?a=b&c=$HOME#sha256=0f",
        "z @ git+ssh://git@host/z.git@v1.0#subdirectory=py",
        "w==1.0+cu121",
        "v === 1.0-odd",
    ];
    let list: Vec<_> = odd.iter().map(|one| format!("'''{one}'''")).collect();
    let text = format!(
        "[project]\ndependencies = [{}]\n[project.optional-dependencies]\ndev = ['pytest']\n\
         no = ['not-this']\n[tool.ds01]\ngroups = ['dev']\n",
        list.join(", ")
    );
    let mut expected = odd.to_vec();
    expected.push("pytest");
    assert_eq!(arguments(&texts(&text, "", "")), expected);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, reason) in [
        ("[project\n", "line 1: "),
        ("[tool.ds01]\n\ngpus = 'two'\n", "line 3: "),
        ("[project]\ndependencies = 'numpy'\n", "line 2: "),
        (
            "[project]\ndependencies = ['--index-url=x']\n",
            "\"--index-url=x\" is no requirement",
        ),
        (
            "[project]\ndependencies = ['a\\n-r b', \"a\\n-r b\"]\n",
            "\"a\\n-r b\" is no requirement",
        ),
        (
            "[tool.ds01]\ngroups = ['dev']\n",
            "[tool.ds01] has the group \"dev\"",
        ),
    ] {
        let wrong = read(&texts(text, "", "")).unwrap_err();
        assert_eq!(wrong.file, PYPROJECT);
        assert!(wrong.reason.starts_with(reason), "{text}: {wrong}");
    }
    for text in [
        "dependencies: {a: b}\n",
        "a: [\n",
        "dependencies: [{npm: [x]}]\n",
        "dependencies: [3]\n",
    ] {
        let wrong = read(&texts("", "", text)).unwrap_err();
        assert_eq!(wrong.file, ENVIRONMENT, "{text}");
    }
}

#[test]
fn requirements_are_pips_own_to_read() {
    let (_, sources) = read(&texts("", "numpy\n", "")).unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(
        (sources[0].file, &sources[0].arguments),
        (REQUIREMENTS, &None)
    );
}

#[test]
fn requirements_that_name_other_files_need_the_folder() {
    for local in [
        "-e .",
        "-e.",
        "-e ./lib[dev]",
        "--editable=lib",
        "-r more.txt",
        "numpy\r\n--requirement more.txt",
        "-cmore.txt",
        "--constraint more.txt",
        "--find-links wheels",
        "./lib",
        "lib/sub ; python_version > '3'",
        "a-1-py3-none-any.whl",
        "a @ file:///workspace/a",
        "-e \\\n  .",
        "\u{feff}../a",
    ] {
        assert!(needs_folder(local), "{local}");
    }
    for remote in [
        "",
        "# ./lib",
        "numpy>=1 # see ./lib",
        "-e git+https://host/a/b.git@main#egg=b",
        "-r https://host/more.txt",
        "--extra-index-url https://host/simple/",
        "-f https://host/wheels.html",
        "--no-binary :all:",
        "git+ssh://git@host/a/b",
        "https://host/a-1.whl",
        "a @ https://host/a.zip ; python_version > '3'",
        "a[b]==1 --hash=sha256:0",
    ] {
        assert!(!needs_folder(remote), "{remote}");
    }
}

#[test]
fn an_environment_is_read_as_far_as_it_maps() {
    let text = "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.11\n- pip\n\
                - numpy=1.26\n- Pandas==2.2.1\n- conda-forge::scipy >=1.10,<2\n\
                - pytorch=2.8.0=py3.11_cuda12\n- tqdm 4.66\n- matplotlib-base=3.*\n- seaborn\n\
                - cudatoolkit=11.8\n- ffmpeg\n- scikit-learn[version='>=1']\n\
                - pip:\n  - 'x[a] >= 1 ; python_version > \"3\"  # why'\n  - -e ./lib\n  \
                - --extra-index-url https://host/simple\n  - -rmore.txt\n  - y==1 --hash=sha256:0\n  - --pre\n";
    let (_, sources) = read(&texts("", "", text)).unwrap();
    let [source] = sources.as_slice() else {
        panic!("{sources:?}")
    };
    assert_eq!(
        source.arguments.as_ref().unwrap(),
        &[
            "numpy==1.26.*",
            "pandas==2.2.1",
            "scipy>=1.10,<2",
            "torch==2.8.0",
            "tqdm==4.66",
            "matplotlib==3.*",
            "seaborn",
            "x[a] >= 1 ; python_version > \"3\"",
            "-e",
            "./lib",
            "--extra-index-url",
            "https://host/simple",
            "-r",
            "more.txt",
            "--pre",
        ]
    );
    assert!(source.needs_folder);
    let left_out = [
        "cudatoolkit=11.8",
        "ffmpeg",
        "scikit-learn[version='>=1']",
        "y==1 --hash=sha256:0",
    ];
    assert_eq!(source.left_out, left_out);
}

#[test]
fn an_empty_file_lists_nothing() {
    let (_, sources) = read(&texts("[project]\nname = 'x'\n", "", "# nothing\n")).unwrap();
    assert_eq!(sources, []);
    let poetry = "[tool.poetry.dependencies]\npython = '^3.11'\nnumpy = '^1.26'\n";
    let (_, sources) = read(&texts(poetry, "", "")).unwrap();
    assert_eq!(sources[0].left_out, ["numpy, for poetry"]);
}
