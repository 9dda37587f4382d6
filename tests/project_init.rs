//! `project-init`: a folder that an image can be built from, and nothing that was there changed.

use std::{fs, time::Duration};

use ds01_testkit::{Pty, TestHost};

use crate::support::expect::{done, failed, image, inside, project, with_config};

mod building;

const INIT: &str = "project-init";
const FOLDER: &str = "/home/alice/workspace/thesis";

/// A host whose default image is `lab`, which has stand-ins for pip and apt-get. What pip is told to
/// install is in `/installed`: each call, its arguments in brackets, then the files that it read.
fn host() -> TestHost {
    let host = TestHost::new();
    lab(&host);
    with_config(&host, "[containers]\ndefault_image = \"lab\"\n");
    host
}

fn lab(host: &TestHost) {
    let pip = "#!/bin/bash\nprintf '[%s]' \"$@\" >>/installed; echo >>/installed\n\
               while [ $# -gt 0 ]; do [ \"$1\" != -r ] || cat \"$2\" >>/installed; shift; done\n";
    let apt = "#!/bin/sh\necho \"apt-get $*\" >>/installed\n";
    let files = [("/usr/bin/pip", pip), ("/usr/bin/apt-get", apt)];
    image(host, "lab", "ds01-base", &files, &[]);
}

/// The files of alice's project, in order, as it stands there.
fn tree(host: &TestHost) -> String {
    let script = "cd workspace/thesis && find . -path ./.git -prune -o -type f -print | sort";
    host.run("sh", &["-c", script]).ok()
}

fn read(host: &TestHost, file: &str) -> String {
    fs::read_to_string(host.home("alice").join("workspace/thesis").join(file)).unwrap()
}

fn is_there(host: &TestHost, path: &str) -> bool {
    host.home("alice").join(path).symlink_metadata().is_ok()
}

const USUAL: &str = "./.dockerignore\n./.gitattributes\n./.gitignore\n./Dockerfile\n./README.md\n./data/.gitkeep\n\
                     ./models/.gitkeep\n./notebooks/.gitkeep\n./pyproject.toml\n\
                     ./requirements.txt\n./src/.gitkeep\n";

#[test]
fn off_a_terminal_a_name_is_enough() {
    let host = host();
    let missing = "project-init: missing argument <name>\n\
                   hint: where nothing is asked it must be given: see project-init --help\n";
    assert_eq!(host.run(INIT, &[]), failed(2, missing));
    let mut quick = host.as_user("alice").pty(INIT, &["--quick"]);
    assert_eq!(quick.rest(), (Some(2), missing.replace('\n', "\r\n")));
    assert!(!is_there(&host, "workspace"));

    let made = done(
        &format!("thesis in {FOLDER}\n"),
        "next: project-launch thesis --open\n",
    );
    assert_eq!(host.run(INIT, &["Thesis"]), made);
    assert_eq!(tree(&host), USUAL);
    let dockerfile = read(&host, "Dockerfile");
    assert!(dockerfile.contains("\nFROM lab\n"), "{dockerfile}");
    assert!(read(&host, "requirements.txt").contains("\nnumpy\npandas\n"));
    assert!(read(&host, "pyproject.toml").contains("\nname = \"thesis\"\n"));
    let git = ["-C", "workspace/thesis", "status", "--short"];
    let untracked = "?? .dockerignore\n?? .gitattributes\n?? .gitignore\n?? Dockerfile\n?? README.md\n?? data/\n\
                     ?? models/\n?? notebooks/\n?? pyproject.toml\n?? requirements.txt\n?? src/\n";
    assert_eq!(host.run("git", &git).ok(), untracked);
    let others = "find workspace ! -user alice";
    assert_eq!(
        host.run("sh", &["-c", others]).ok(),
        "",
        "all of it is hers"
    );
}

#[test]
fn what_cannot_be_makes_nothing() {
    let host = host();
    for (args, words) in [
        (&["a.b"][..], "not '.'"),
        (
            &["thesis", "--type=vision"],
            "expected one of ml, cv, nlp, rl, llm, ts, audio, custom",
        ),
        (&["thesis", "--image=a b"], "no image can be called \"a b\""),
        (&["../x"], "not '.'"),
    ] {
        let refused = host.run(INIT, args);
        assert_eq!(
            (refused.status, &*refused.stdout),
            (Some(2), ""),
            "{args:?}"
        );
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let bobs = host.run(INIT, &["thesis._.20002"]);
    assert_eq!(bobs.status, Some(7), "{}", bobs.stderr);
    assert!(!is_there(&host, "workspace"));
    host.run("sh", &["-c", "mkdir workspace && echo x >workspace/thesis"])
        .ok();
    let in_the_way = format!(
        "project-init: {FOLDER} is in the way, and is no folder\nhint: choose another name\n"
    );
    assert_eq!(
        host.run(INIT, &["thesis", "--force"]),
        failed(4, &in_the_way)
    );
    host.run("sh", &["-c", "rm workspace/thesis && chmod 500 workspace"])
        .ok();
    let closed = format!("project-init: cannot make {FOLDER}: Permission denied\n");
    assert_eq!(host.run(INIT, &["thesis"]), failed(1, &closed));
}

#[test]
fn blank_and_without_git_it_is_as_little_as_was_asked_for() {
    let host = host();
    let made = done(
        &format!("thesis in {FOLDER}\n"),
        "next: container-deploy thesis --image=lab\n",
    );
    assert_eq!(host.run(INIT, &["thesis", "--blank"]), made);
    assert_eq!(tree(&host), "./README.md\n./pyproject.toml\n");
    assert!(read(&host, "README.md").contains("container-deploy thesis --image=lab "));
    assert!(read(&host, "pyproject.toml").contains("base-image = \"lab\"\n"));
    let named = ["named", "--blank", "--image=ds01-base"];
    let next = host.run(INIT, &named).stderr;
    assert_eq!(next, "next: container-deploy named --image=ds01-base\n");
    assert!(!is_there(&host, "workspace/thesis/.git"));
    host.run(INIT, &["other", "--no-git"]).ok();
    assert!(!is_there(&host, "workspace/other/.git"));
    assert!(is_there(&host, "workspace/other/Dockerfile"));
}

#[test]
fn what_is_there_stays_and_what_is_missing_is_added_only_if_agreed() {
    let host = host();
    let files = [
        ("README.md", "mine"),
        ("requirements.txt", "mine==1\n"),
        ("src/main.py", "mine"),
    ];
    project(&host, "alice", "thesis", &files);
    let links = "cd workspace/thesis && mkdir -p ../outside && ln -s ../outside models && \
                 ln -s ../outside/planted pyproject.toml";
    host.run("sh", &["-c", links]).ok();
    let listing = || host.run("ls", &["-lAR", "--full-time", "workspace"]).ok();
    let before = listing();
    let exists = "project-init: project thesis exists: ~/workspace/thesis has files already\n\
                  hint: work on it with project-launch thesis; project-init thesis --force adds the \
                  files that it lacks\n";
    assert_eq!(host.run(INIT, &["thesis"]), failed(4, exists));
    let question = "~/workspace/thesis has files already, which stay as they are. Add those that it \
                    lacks? [y/N] ";
    for (keys, status) in [("\r", 1), ("\x04", 1), ("\x03", 130)] {
        let mut asked = host.as_user("alice").pty(INIT, &["thesis"]);
        asked.expect(question);
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status), "{}", asked.output());
    }
    assert_eq!(listing(), before);

    let added = host.run(INIT, &["thesis", "--force"]);
    let told = "kept as they were: README.md, pyproject.toml, requirements.txt\n\
                next: project-launch thesis --open\n";
    assert_eq!(added, done(&format!("thesis in {FOLDER}\n"), told));
    for (file, text) in files {
        assert_eq!(read(&host, file), text);
    }
    let outside = host.home("alice").join("workspace/outside");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    assert!(is_there(&host, "workspace/thesis/Dockerfile"));
    assert!(is_there(&host, "workspace/thesis/.git/HEAD"));
    let head = read(&host, ".git/HEAD");
    let again = host.run(INIT, &["thesis", "--force"]);
    assert!(
        again.stderr.starts_with(
            "kept as they were: README.md, pyproject.toml, requirements.txt, .gitignore"
        ),
        "{}",
        again.stderr
    );
    assert_eq!(read(&host, ".git/HEAD"), head);
}

#[test]
fn the_base_is_the_one_nearest_to_the_user() {
    let host = TestHost::new();
    let from = |host: &TestHost| {
        let text = read(host, "Dockerfile");
        text.lines()
            .find(|line| line.starts_with("FROM "))
            .unwrap()
            .to_string()
    };
    let again = || {
        host.run("rm", &["-r", "workspace"]).ok();
    };
    let none = host.run(INIT, &["thesis"]);
    let told = "project-init: warning: there is no Dockerfile yet: this host's catalogue of images has \
                no pytorch\n\
                next: image-create thesis --image=<image>, with one of image-list --all\n";
    assert_eq!(none, done(&format!("thesis in {FOLDER}\n"), told));
    assert_eq!(tree(&host), USUAL.replace("./Dockerfile\n", ""));
    host.run(INIT, &["thesis", "--force", "--image=ds01-base"])
        .ok();
    assert_eq!(from(&host), "FROM ds01-base");

    again();
    let catalogue = "Tensorflow, 2.16.1, CUDA_ADA, tf:2.16\nPytorch, 2.9.0, CUDA_ADA, torch:2.9\n\
                     Pytorch, 2.10.0, CUDA_ADA, torch:2.10\n";
    fs::write(host.root().join("etc/ml_images.repo"), catalogue).unwrap();
    host.run(INIT, &["thesis"]).ok();
    assert_eq!(from(&host), "FROM torch:2.10");
    again();
    project(
        &host,
        "alice",
        "thesis",
        &[("pyproject.toml", "[tool.ds01]\nframework = 'tensorflow'\n")],
    );
    host.run(INIT, &["thesis", "-f"]).ok();
    assert_eq!(from(&host), "FROM tf:2.16");

    with_config(&host, "[containers]\ndefault_image = \"lab\"\n");
    again();
    host.run(INIT, &["thesis"]).ok();
    assert_eq!(from(&host), "FROM lab");
    again();
    project(
        &host,
        "alice",
        "thesis",
        &[("pyproject.toml", "[tool.ds01]\nbase-image = 'mine:1'\n")],
    );
    host.run(INIT, &["thesis", "-f"]).ok();
    assert_eq!(from(&host), "FROM mine:1");
}

#[test]
fn the_wizard_asks_for_all_and_has_an_answer_to_each() {
    let host = host();
    let wizard = || host.as_user("alice").pty(INIT, &[]);
    let steps = [
        ("Name of the project [my-project]: ", "\r"),
        ("What is it about?", "\r"),
        (
            "Python packages, with blanks between [numpy pandas scikit-learn matplotlib xgboost]: ",
            "\r",
        ),
        ("Keep its code in a git repository? [Y/n] ", "\r"),
    ];
    let cooked = wizard().modes();
    let walk = |wizard: &mut Pty, steps: &[(&str, &str)]| {
        for (prompt, keys) in steps {
            wizard.expect(prompt);
            // A menu reads keys one by one, and Ctrl-C too, once it is ready.
            while prompt.ends_with('?') && wizard.modes() == cooked {
                std::thread::yield_now();
            }
            wizard.send(keys);
        }
    };
    for last in 0..steps.len() {
        let mut ended = wizard();
        walk(&mut ended, &steps[..last]);
        walk(&mut ended, &[(steps[last].0, "\x03")]);
        assert_eq!(ended.wait(), Some(130), "{}", ended.output());
        assert!(!is_there(&host, "workspace"), "after {last}");
    }
    let mut usual = wizard();
    walk(&mut usual, &steps);
    usual.expect("my-project in /home/alice/workspace/my-project\r\n");
    assert_eq!(usual.wait(), Some(0));
    assert!(is_there(&host, "workspace/my-project/.git/HEAD"));

    let mut own = wizard();
    walk(
        &mut own,
        &[
            ("Name of the project [my-project-2]: ", "a.b\r"),
            ("not '.'", ""),
            ("Name of the project [my-project-2]: ", "thesis\r"),
            ("What is it about?", "custom\r"),
            (
                "Python packages, with blanks between [none]: ",
                "numpy>=1.26 -e\r",
            ),
            ("\"-e\" is no package", ""),
            ("[none]: ", "numpy>=1.26 torch[x]==2.8\r"),
            ("[Y/n] ", "n\r"),
        ],
    );
    assert_eq!(own.wait(), Some(0), "{}", own.output());
    assert!(read(&host, "requirements.txt").ends_with("\nnumpy>=1.26\ntorch[x]==2.8\n"));
    assert!(!is_there(&host, "workspace/thesis/.git"));
}

#[test]
fn git_is_used_as_far_as_it_is_there() {
    let host = host();
    let bare = host.as_user("alice").env("PATH", "/mnt/bin");
    let told = "project-init: warning: there is no git repository: git is not installed\n\
                next: project-launch thesis --open\n";
    assert_eq!(
        bare.run(INIT, &["thesis"]),
        done(&format!("thesis in {FOLDER}\n"), told)
    );
    assert!(read(&host, ".gitignore").contains("*.safetensors\n"));

    host.run("rm", &["-r", "workspace"]).ok();
    host.run(INIT, &["thesis"]).ok();
    assert!(!read(&host, ".gitignore").contains("*.safetensors"));
    // The rules are the repository's own, whatever the host or its user have set.
    let script = "cd workspace/thesis && echo weights >models/a.pt && echo code >src/a.py && git add . && \
                  git -c user.name=a -c user.email=a@b commit -qm first && \
                  git check-attr filter models/a.pt src/a.py && git lfs ls-files -n && \
                  git show HEAD:src/a.py HEAD:models/a.pt && sha256sum <models/a.pt";
    let own = host.as_user("alice").env("GIT_CONFIG_NOSYSTEM", "1");
    let said = own.run("sh", &["-c", script]).ok();
    let (kept, sum) = said.split_once("oid sha256:").unwrap();
    assert_eq!(
        kept,
        "models/a.pt: filter: lfs\nsrc/a.py: filter: unspecified\nmodels/a.pt\ncode\n\
         version https://git-lfs.github.com/spec/v1\n"
    );
    let (pointer, sum) = sum.split_once("\nsize 8\n").unwrap();
    assert_eq!(sum, format!("{pointer}  -\n"));
}
