//! The bodies of `POST /containers/{id}/exec` and `POST /exec/{id}/start`.

use super::{
    body::{Words, body, text},
    gpus::drop_selectors,
    plan::Owner,
    refused::Refused,
};

body! {
    /// The body of `POST /containers/{id}/exec`.
    pub struct ExecBody {
        user: String,
        privileged: bool,
        tty: bool,
        console_size: [u64; 2],
        attach_stdin: bool,
        attach_stderr: bool,
        attach_stdout: bool,
        detach: bool,
        detach_keys: String,
        env: Vec<String>,
        working_dir: String,
        cmd: Words,
        /// docker-py repeats it from the path; the engine does not read it.
        container: String,
    }
}

body! {
    /// The body of `POST /exec/{id}/start`; there is nothing in it to decide.
    pub struct ExecStartBody {
        detach: bool,
        tty: bool,
        console_size: [u64; 2],
    }
}

/// Decides what a request to run a command in a container comes to.
///
/// `as_owner` is that of the container's [`Finished`](super::Finished).
///
/// # Errors
///
/// [`Refused::Forbidden`] for more rights than the container has, or for another user where
/// folders of the host are within reach.
pub fn exec(body: ExecBody, as_owner: bool, owner: Owner<'_>) -> Result<ExecBody, Refused> {
    if body.privileged == Some(true) {
        return Err(Refused::forbidden(
            "Privileged",
            "true",
            "it would be root on the host",
            "leave it out",
        ));
    }
    let user = text(&body.user);
    if as_owner && !owner.is(user) {
        return Err(Refused::forbidden(
            "User",
            user,
            "a container with folders of the host runs as its owner",
            "leave the user out or give your uid (as \"remoteUser\" in devcontainer.json), or make the \
             container without folders of the host",
        ));
    }
    let mut body = body;
    body.container = None;
    drop_selectors(&mut body.env);
    if as_owner {
        // By number: the image may know the login as somebody else.
        body.user = Some(owner.user());
    }
    Ok(body)
}
