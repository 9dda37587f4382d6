//! Awkward files of projects: what is made of them is built, changed by `image-update`, and built again.

use super::*;

/// Files, the packages that are changed then, what Python shall say of the image, and how it ends.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str, &'a str);

/// Builds each, in a project of its own, and asks Python.
fn check(cases: &[Case<'_>]) {
    let host = host();
    for (index, (files, change, script, said)) in cases.iter().enumerate() {
        let name = format!("case-{index}");
        let image = format!("ds01-20001/{name}:latest");
        project(&host, "alice", &name, files);
        let built = host.run("image-create", &[&name]);
        assert_eq!(built.status, Some(0), "{files:?}: {}", built.stderr);
        if !change.is_empty() {
            let args = [&[&*name], *change].concat();
            let updated = host.run(UPDATE, &args);
            assert_eq!(updated.status, Some(0), "{files:?}: {}", updated.stderr);
        }
        let script = format!(
            "import importlib.util as u, os\n\
             has = lambda names: ' '.join(n for n in names.split() if u.find_spec(n))\nsaid = {script}\nprint(said)"
        );
        let run = [
            "run",
            "--rm",
            "--network=none",
            &image,
            "python3",
            "-c",
            &script,
        ];
        assert_eq!(host.docker(&run).ok(), format!("{said}\n"), "{files:?}");
    }
}

const ALL: &str = "has('numpy timm einops peft prophet pandas only_windows old_python')";
const VERSION: &str = "__import__('numpy').version";

#[test]
fn awkward_lists_of_requirements_are_built() {
    check(&[
        (
            &[(
                "requirements.txt",
                "\u{feff}NumPy == 1.26.4 # pinned\r\n\r\n# timm\r\nTimm\\\r\n>=1\r\n--pre\r\neinops",
            )],
            &["--add=peft", "--remove=timm"],
            "has('numpy timm einops peft'), __import__('numpy').version",
            "('numpy einops peft', '1.26.4')",
        ),
        (
            &[
                ("requirements.txt", "-r sub/more.txt\n-c limits.txt\npandas"),
                ("sub/more.txt", "numpy\n"),
                ("limits.txt", "numpy<2.1\n"),
            ],
            &["--add", "einops"],
            "has('pandas einops'), __import__('numpy').version",
            "('pandas einops', '2.0.1')",
        ),
        (
            &[(
                "requirements.txt",
                "only-windows ; sys_platform == 'win32'\nold-python;python_version<\"3\"\nwith-extras[one,two]==1.2.3 ; python_version > '3'\n",
            )],
            &["--add=numpy!=2.1.0,>=1.26 ; os_name == 'posix'"],
            ALL,
            "numpy timm einops",
        ),
        (
            &[
                ("requirements.txt", "-e ./lib\n./other\n"),
                (
                    "lib/setup.py",
                    "from setuptools import setup\nsetup(name='own', py_modules=['own'])\n",
                ),
                ("lib/own.py", "word = 'mine'\n"),
                (
                    "other/setup.py",
                    "from setuptools import setup\nsetup(name='more', py_modules=['more'])\n",
                ),
                ("other/more.py", ""),
            ],
            &["--add=einops"],
            "__import__('own').word, has('more einops')",
            "('mine', 'more einops')",
        ),
        (
            &[("requirements.txt", "# nothing\n")],
            &["--apt=tree"],
            "os.listdir('/usr/share/stand-in')",
            "['tree']",
        ),
    ]);
}

#[test]
fn awkward_pyprojects_and_environments_are_built() {
    check(&[
        (
            &[(
                "pyproject.toml",
                "project.name = 'x'\nproject.dependencies = [ # all\n  'numpy>=1.26,<2', # \"a\", 'b'\n\n  # models\n  \"timm\"\n]\n[project.optional-dependencies]\n\"dev\" = [\"peft\"]\nno = ['pandas']\n[tool.ds01]\ngroups=['dev']\n",
            )],
            &["--add=einops numpy==1.25.0", "--remove=timm"],
            "has('timm einops peft pandas'), __import__('numpy').version",
            "('einops peft', '1.25.0')",
        ),
        (
            &[(
                "pyproject.toml",
                "[project]\ndependencies = ['''with-extras[one]; python_version > \"3\"''', \"old-python ; python_version < '3'\"]\n",
            )],
            &["--remove=With.Extras", "--add=pandas"],
            ALL,
            "pandas",
        ),
        (
            &[
                (
                    "environment.yml",
                    "name: x\nchannels: [conda-forge]\ndependencies:\n- python>=3.9\n- conda-forge::numpy=1.26 # arrays\n- cudatoolkit=11.8\n- pip:\n  - 'timm>=1 ; python_version > \"3\"'\n  - -r more.txt\n",
                ),
                ("more.txt", "peft\n"),
            ],
            &["--add=einops", "--remove=timm"],
            "has('timm einops peft'), __import__('numpy').version",
            "('einops peft', '1.26.4')",
        ),
        // What is poetry's alone is told of, and the rest is built.
        (
            &[
                (
                    "pyproject.toml",
                    "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.11'\nnumpy = '^1.26'\n",
                ),
                ("requirements.txt", "einops\n"),
            ],
            &[],
            ALL,
            "einops",
        ),
    ]);
}

#[test]
fn awkward_dockerfiles_are_changed_and_built() {
    check(&[
        (
            &[(
                "Dockerfile",
                "# escape=`\nfrom lab\nrun echo a `\n  # between\n  b >/word\nuser nobody\nentrypoint []",
            )],
            &["--add=numpy<2 einops", "--apt=tree ffmpeg"],
            "has('numpy einops'), sorted(os.listdir('/usr/share/stand-in')), open('/word').read(), os.getuid()",
            "('numpy einops', ['ffmpeg', 'tree'], 'a b\\n', 65534)",
        ),
        (
            &[
                (
                    "Dockerfile",
                    "ARG BASE=lab\r\nFROM $BASE AS build\r\nCOPY requirements.txt /tmp/\r\nRUN pip install --target=/site -r /tmp/requirements.txt\r\n\r\nFROM ${BASE}\r\nCOPY --from=build /site /site\r\nENV PYTHONPATH=/site\r\n",
                ),
                ("requirements.txt", "numpy==1.25.0\r\n"),
            ],
            &["--add=einops numpy==2.0.1", "--apt=tree"],
            "has('numpy einops'), __import__('numpy').version, os.listdir('/usr/share/stand-in')",
            "('numpy einops', '2.0.1', ['tree'])",
        ),
        (
            &[
                (
                    "Dockerfile",
                    "FROM lab\nSHELL [\"/bin/bash\", \"-euc\"]\nENV PIP_BREAK_SYSTEM_PACKAGES=1\nWORKDIR /src\nCOPY . .\nRUN [\"python3\", \"-m\", \"pip\", \"install\", \"--requirement\", \"requirements.txt\"]\nRUN test -e /usr/share/stand-in/tree || test ! -e late\n",
                ),
                ("requirements.txt", "timm\n"),
                (".dockerignore", "*\n!requirements.txt\n"),
                ("late", ""),
            ],
            &["--apt=tree", "--remove=timm", "--add=peft"],
            "has('timm peft'), os.listdir('/usr/share/stand-in'), os.listdir('/src')",
            "('peft', ['tree'], ['requirements.txt'])",
        ),
        (
            &[
                (
                    "Dockerfile",
                    "FROM lab\nENV PIP_BREAK_SYSTEM_PACKAGES=1\nCOPY pyproject.toml /src/\nRUN cd /src && pip install .\n",
                ),
                (
                    "pyproject.toml",
                    "[build-system]\nrequires = ['setuptools', 'wheel']\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'x'\nversion = '1'\ndependencies = [\n  'timm',\n]\n[tool.setuptools]\npackages = []\n",
                ),
            ],
            &["--add=einops"],
            ALL,
            "timm einops",
        ),
        // One that is the image of before, with what was added to it.
        (
            &[(
                "Dockerfile",
                "FROM lab\nRUN pip install --break-system-packages numpy==1.25.0\n",
            )],
            &["--add", "numpy==2.0.1"],
            VERSION,
            "2.0.1",
        ),
    ]);
}
