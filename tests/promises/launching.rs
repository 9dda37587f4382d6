//! 000: launching containers.

use super::{NO, OFFERED, Run, SHELL, Script, Terminal, YES};

pub(super) const LAUNCHING: &[(&str, Run)] = &[
    (
        "project launch my-thesis --open",
        Terminal(&[OFFERED, SHELL], 0),
    ),
    (
        "project launch my-project --open",
        Terminal(&[OFFERED, SHELL], 0),
    ),
    (
        "project launch",
        Terminal(
            &[("Launch which project?", "other-project\r"), OFFERED, SHELL],
            0,
        ),
    ),
    ("project launch my-thesis --background", Script(0)),
    ("project launch my-thesis", Script(0)),
    ("project launch my-project", Terminal(&[SHELL], 0)),
    ("project launch other-project", Script(0)),
    // A new image would not reach the container that there is.
    ("project launch my-thesis --rebuild", Script(4)),
    ("container-list", Script(0)),
    ("container-stats", Script(0)),
    ("dashboard gpu", Script(0)),
    ("dashboard", Script(0)),
    ("container-attach my-project", Terminal(&[SHELL], 0)),
    (
        "container-attach",
        Terminal(&[("Attach to which container?", "my-thesis\r"), SHELL], 0),
    ),
    // Through the gateway names are one's own; with the owner's uid they are the engine's, and found too.
    ("docker logs my-project._.$(id -u)", Script(0)),
    ("docker images | grep my-project", Script(0)),
    ("container-stop my-project", Script(0)),
    ("container-start my-project", Script(0)),
    ("container-run my-project", Terminal(&[SHELL], 0)),
    ("container retire my-project", Script(0)),
    (
        "container retire",
        Terminal(&[("Retire which container?", "my-thesis\r"), YES, NO], 0),
    ),
    ("project launch my-thesis --rebuild", Script(0)),
    ("image-create my-project", Script(0)),
    ("image-create my-thesis", Script(0)),
    ("container deploy my-project --background", Script(0)),
    ("container deploy my-project", Script(4)),
    ("container retire my-project", Terminal(&[YES, NO], 0)),
    ("container deploy my-project --open", Terminal(&[SHELL], 0)),
    ("container deploy my-thesis --open", Script(4)),
    ("container deploy my-thesis", Script(4)),
    (
        "container deploy",
        Terminal(&[("which project?", "third\r"), SHELL], 0),
    ),
    (
        "container deploy test --image=aime/pytorch:2.8.0",
        Terminal(&[SHELL], 0),
    ),
    (
        "docker run -d --name my-container --gpus device=0 my-image",
        Script(0),
    ),
    ("docker start my-container", Script(0)),
    (
        "docker exec -it my-container bash",
        Terminal(&[("# ", "exit\r")], 0),
    ),
    ("docker ps -a", Script(0)),
    ("docker stop my-container", Script(0)),
    ("docker rm my-container", Script(0)),
];
