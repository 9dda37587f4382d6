//! bollard, the library of Rust programs.

use std::time::Duration;

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, LogsOptions, RemoveContainerOptions},
};
use ds01_testkit::TestHost;
use futures_util::TryStreamExt;

/// Runs `echo hi` in a container, as a program of the caller's would.
async fn echo(socket: &str) -> Result<(String, i64), bollard::errors::Error> {
    let docker = Docker::connect_with_unix(socket, 60, API_DEFAULT_VERSION)?;
    let docker = docker.negotiate_version().await?;
    let options = CreateContainerOptions {
        name: Some("one".into()),
        ..Default::default()
    };
    let body = ContainerCreateBody {
        image: Some("ds01-base".into()),
        cmd: Some(vec!["echo".into(), "hi".into()]),
        ..Default::default()
    };
    let id = docker.create_container(Some(options), body).await?.id;
    docker.start_container("one", None).await?;
    let mut ends = docker.wait_container("one", None);
    let status = ends.try_next().await?.map_or(-1, |end| end.status_code);
    let logs = LogsOptions {
        stdout: true,
        ..Default::default()
    };
    let lines: Vec<_> = docker.logs(&id, Some(logs)).try_collect().await?;
    let options = RemoveContainerOptions::default();
    docker.remove_container(&id, Some(options)).await?;
    Ok((lines.iter().map(ToString::to_string).collect(), status))
}

#[test]
fn bollard_works() {
    let host = TestHost::behind_gateway(1);
    let socket = host.gateway_socket().to_string_lossy().into_owned();
    let said = host.as_user("alice").in_thread(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let limit = Duration::from_secs(30);
        runtime
            .block_on(async { tokio::time::timeout(limit, echo(&socket)).await })
            .unwrap()
            .unwrap()
    });
    assert_eq!(said, ("hi\n".into(), 0));
}
