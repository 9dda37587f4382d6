//! Processes in one's own containers.

use std::path::Path;

use ds01_core::{
    docker::{ExecBody, Owner, exec},
    failure::{Failure, Kind},
};
use ds01_host::{
    passwd::may_look_up_users,
    users::{UnknownUser, person},
};

use super::{Call, Outcome, reply};
use crate::{blocking_pool::PATIENCE, body, records::Owned};

/// Bytes of what is asked for: the engine keeps it as long as the container, whether it runs or not.
const LONGEST: usize = 64 << 10;

/// Execs of one container at a time, those that nobody has started among them: the engine keeps each
/// until it has ended, or the container.
const MOST: usize = 64;

impl Call<'_> {
    pub(super) async fn container_exec(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let text = self.json()?;
        if text.len() > LONGEST {
            let message = "a command and its environment are 64 KiB at most";
            return Err(Failure::new(Kind::Usage, message));
        }
        let asked: ExecBody = body::read(text)?;
        let (as_owner, uid) = (self.is_as_owner(&owned), owned.container.uid);
        // Elsewhere it is of no use, and not asked for.
        let gid = match as_owner {
            true => self.gid_of(&owned).await?,
            false => uid,
        };
        // A login stands for the uid only where the image says so: here, it does not.
        let login = "";
        let json = body::write(&exec(asked, as_owner, Owner { uid, gid, login })?)?;
        // Two at once would each find room for one more.
        let turn = self.gateway.execs.take(owned.id.clone()).await;
        let _one_at_a_time = turn.map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
        // The engine does so when it starts it; but of that refusal Docker's client tells no words.
        self.may_look_up_users(&owned).await?;
        self.has_room(&owned).await?;
        let path = format!("/containers/{}/exec", owned.id.0);
        let made = self.engine("POST", &path, Some(json)).await;
        reply(201, &made.map_err(|failure| self.in_own_names(failure))?)
    }

    /// # Errors
    ///
    /// If a container has as many execs as it may.
    async fn has_room(&self, owned: &Owned) -> Result<(), Failure> {
        let path = format!("/containers/{}/json", owned.id.0);
        let seen = self.engine("GET", &path, None).await?;
        // The engine lists none that has been started and has ended; where there is none, nothing.
        let listed = seen["ExecIDs"].as_array().map_or(0, Vec::len);
        if listed < MOST {
            return Ok(());
        }
        let name = self.shown(owned);
        let message = format!(
            "{name} has {listed} commands that run or were never started, of {MOST} at most"
        );
        let hint = format!(
            "end some, or restart it: docker restart {name}; if that is no better: docker rm -f {name}"
        );
        Err(Failure::new(Kind::State, message).with_hint(hint))
    }

    /// The gid of a container's owner, who is not the admin that calls: what the owner's image runs
    /// would have the admin's rights in the owner's folders.
    ///
    /// Of an owner who has left, it is the one that the container was made with; where it was made
    /// with none, as an adopted one may be, the number of the uid.
    async fn gid_of(&self, owned: &Owned) -> Result<u32, Failure> {
        if self.is_mine(owned) {
            return Ok(self.caller.gid);
        }
        let uid = owned.container.uid;
        let blocking = &self.gateway.blocking;
        let found = blocking.run(self.caller.uid, PATIENCE, move || person(uid));
        match found.await? {
            Ok(person) => Ok(person.gid),
            Err(UnknownUser::Uid(_)) => {
                let path = format!("/containers/{}/json", owned.id.0);
                let seen = self.engine("GET", &path, None).await?;
                let user = seen["Config"]["User"].as_str().unwrap_or_default();
                let gid = user.strip_prefix(&format!("{uid}:"));
                Ok(gid.and_then(|gid| gid.parse().ok()).unwrap_or(uid))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whose the exec in the path is: that of its container's owner.
    async fn exec(&self) -> Result<Owned, Failure> {
        let id = self.target();
        let none = || self.no_such("exec instance", id);
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        let seen = self.engine("GET", &format!("/exec/{id}/json"), None).await;
        let seen = seen.map_err(|failure| match failure.kind {
            Kind::NotFound => none(),
            _ => failure,
        })?;
        let container = seen["ContainerID"].as_str().unwrap_or_default();
        self.container(container).await.map_err(|_| none())
    }

    pub(super) async fn exec_as_it_is(&self) -> Result<Outcome, Failure> {
        self.exec().await?;
        self.forward(&self.route.path).await
    }

    /// Whatever the user, the engine reads the container's files of users now.
    pub(super) async fn exec_start(&self) -> Result<Outcome, Failure> {
        let owned = self.exec().await?;
        self.may_look_up_users(&owned).await?;
        self.forward(&self.route.path).await
    }

    /// Refuses what would have the engine read for ever; whoever is root inside can still put such a
    /// file there at that very moment.
    async fn may_look_up_users(&self, owned: &Owned) -> Result<(), Failure> {
        let seen = self.looked_at(owned).await?;
        let merged = seen["GraphDriver"]["Data"]["MergedDir"].as_str();
        let is_overlay = seen["GraphDriver"]["Name"] == "overlay2";
        // Of one that does not run, the engine says so.
        let Some(merged) = merged.filter(|_| is_overlay && seen["State"]["Running"] == true) else {
            return Ok(());
        };
        let (socket, merged) = (
            self.gateway.config.engine.socket.clone(),
            merged.to_string(),
        );
        let name = owned.container.name.clone();
        let look = move || may_look_up_users(&socket, Path::new(&merged), &name);
        self.gateway
            .blocking
            .run(self.caller.uid, PATIENCE, look)
            .await?
    }
}
