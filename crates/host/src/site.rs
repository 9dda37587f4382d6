//! The parts of this machine, and the one way to change the ledger.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use ds01_core::{
    event::Event,
    failure::{Failure, Kind},
    ledger::{Ledger, Process},
    policy::Policy,
    rebuild::rebuild,
    reconcile::{Change, EngineSnapshot, reconcile},
    time::Timestamp,
};

use crate::{
    clock,
    config::Config,
    engine::Engine,
    events::EventLog,
    ledger_file::{LedgerFile, Locked, Stored},
    limits_files::{self, InForce},
    look::{Look, MOST_LOOKS, Scope},
    metadata::Metadata,
    owner::Owners,
    staging::Staging,
    users::{self, Caller, Person},
};

/// This machine, used with this process's own rights: it checks nobody's permission, so callers must
/// have done that.
pub struct Site {
    config: Config,
    source: String,
    engine: Engine,
    pub(crate) ledger: LedgerFile,
    pub(crate) metadata: Metadata,
    pub(crate) staging: Staging,
    pub(crate) events: EventLog,
    pub(crate) owners: RefCell<Owners>,
    /// Logins that were looked up, by uid.
    logins: RefCell<BTreeMap<u32, String>>,
    notices: RefCell<Vec<String>>,
    for_others: bool,
    /// The process of the user who makes the request, if this one acts for somebody else.
    client: Option<Process>,
}

impl Site {
    /// The machine that `config` describes. A state directory that does not exist yet is made,
    /// by the first process that may.
    ///
    /// # Errors
    ///
    /// If the configuration names a group that does not exist.
    pub fn new(config: Config, source: &str) -> Result<Self, Failure> {
        let site = Self::as_is(config, source);
        if !site.config.paths.state.exists() {
            let group = site.config.access.docker_group.as_deref();
            let group = group.map(users::gid_of).transpose()?;
            site.ledger.init(group)?;
            if let Err(error) = site.events.init(group) {
                site.notice(format!("events are not logged: {error}"));
            }
        }
        Ok(site)
    }

    /// The machine that `config` describes, for somebody who only looks: nothing is made.
    pub(crate) fn as_is(config: Config, source: &str) -> Self {
        Self {
            ledger: LedgerFile::new(&config.paths.state),
            metadata: Metadata::new(&config.paths.state),
            staging: Staging::new(&config.paths.run, &config.engine.socket),
            events: EventLog::new(&config.paths.log),
            source: source.into(),
            engine: Engine::new(&config.engine.socket, config.engine.timeout()),
            owners: RefCell::default(),
            logins: RefCell::default(),
            notices: RefCell::default(),
            for_others: false,
            client: None,
            config,
        }
    }

    /// A new value for a process that root forks: the connection to the engine cannot be shared.
    pub(crate) fn anew(&self) -> Self {
        Self::as_is(self.config.clone(), &self.source).for_others()
    }

    /// The same machine, used by root for somebody else: their files are touched as they would.
    #[must_use]
    pub fn for_others(self) -> Self {
        Self {
            for_others: true,
            ..self
        }
    }

    /// As [`Site::for_others`], for a user whose process, if it is known, is `client`.
    #[must_use]
    pub fn for_client(self, client: Option<Process>) -> Self {
        Self {
            client,
            ..self.for_others()
        }
    }

    /// The process of the user who makes the request.
    pub(crate) fn client(&self) -> Option<Process> {
        match self.for_others {
            true => self.client.clone(),
            false => clock::this_process(),
        }
    }

    /// Whether this is root, who acts for somebody else.
    pub(crate) fn is_for_others(&self) -> bool {
        self.for_others
    }

    /// Runs `act`, which touches `person`'s files, with no more rights than they have.
    ///
    /// # Errors
    ///
    /// As [`users::acting_as`].
    pub(crate) fn as_person<T>(
        &self,
        person: &Person,
        act: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        match self.for_others {
            true => users::acting_as(person, act),
            false => Ok(act()),
        }
    }

    /// The host's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The policy of this host.
    ///
    /// # Errors
    ///
    /// If its files cannot be read or are wrong, and nothing was kept of what they said before.
    pub fn policy(&self) -> Result<Policy, Failure> {
        Ok(self.policy_in_force()?.policy)
    }

    /// The policy, with what in its files has no effect. The user is told if the files cannot be used
    /// and an earlier policy is in force.
    ///
    /// # Errors
    ///
    /// As [`Site::policy`].
    pub(crate) fn policy_in_force(&self) -> Result<InForce, Failure> {
        let in_force = limits_files::in_force(&self.config.paths)?;
        if let Some(stale) = &in_force.stale
            && !self.notices.borrow().contains(stale)
        {
            self.notice(stale.clone());
        }
        Ok(in_force)
    }

    /// Tells the user something beside the answer.
    pub fn notice(&self, text: String) {
        self.notices.borrow_mut().push(text);
    }

    pub(crate) fn take_notices(&self) -> Vec<String> {
        self.notices.take()
    }

    /// Logs an event. One that cannot be logged is told to the user: it happened all the same.
    pub(crate) fn log(&self, event: Event) {
        let event = Event {
            source: Some(self.source.clone()),
            ..event
        };
        if let Err(error) = self.events.append(&event) {
            self.notice(format!(
                "the event {} was not logged to {}: {error}",
                event.event_type,
                self.events.path().display()
            ));
        }
    }

    /// Changes the ledger: under its lock, reconciled with what was seen of the engine.
    ///
    /// What reconciling changed is kept even if `decide` refuses. A ledger that is lost is
    /// rebuilt first, which needs a longer look.
    ///
    /// # Errors
    ///
    /// Those of `decide`; or if the state cannot be used: then nothing is changed.
    pub fn change<T>(
        &self,
        look: &Look,
        decide: impl FnOnce(&mut Ledger, Timestamp) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        Ok(self.change_reporting(look, decide)?.0)
    }

    /// As [`Site::change`]; also returns what reconciling changed.
    pub(crate) fn change_reporting<T>(
        &self,
        look: &Look,
        decide: impl FnOnce(&mut Ledger, Timestamp) -> Result<T, Failure>,
    ) -> Result<(T, Vec<Change>), Failure> {
        let (mut longer, mut looks) = (None, 1);
        let (locked, now, reconciled) = loop {
            let locked = self.ledger.lock()?;
            let look = longer.as_ref().unwrap_or(look);
            let now = clock::now();
            match &locked.stored {
                stored if looks < MOST_LOOKS && look.is_in_doubt(stored) => {
                    drop(locked);
                    longer = Some(self.look(&Scope::Everything)?);
                    looks += 1;
                }
                Stored::Damaged(_) => break (locked, now, None),
                Stored::Whole(old) => {
                    let mut ledger = Ledger::clone(old);
                    let changes = reconcile(&mut ledger, &look.seen, now);
                    let strangers = self.strangers(&changes);
                    if strangers.is_empty() {
                        break (locked, now, Some((ledger, changes)));
                    }
                    // A name service can hang, and nobody is to wait for it.
                    drop(locked);
                    strangers.into_iter().for_each(|uid| drop(self.login(uid)));
                }
            }
        };
        let seen = &longer.as_ref().unwrap_or(look).seen;
        let old = match &locked.stored {
            Stored::Whole(old) => Some(&**old),
            Stored::Damaged(_) => None,
        };
        let (mut ledger, changes) = match reconciled {
            Some(reconciled) => reconciled,
            None => (self.rebuilt(&locked, seen, now)?, Vec::new()),
        };
        let decided = decide(&mut ledger, now);
        let mut back = Vec::new();
        match old {
            Some(old) if *old == ledger => {}
            old => {
                if let Some(old) = old {
                    ledger.note_use(old, now);
                }
                self.log_changes(&changes, now);
                back = self.take_back(&ledger, seen)?;
                locked.save(ledger)?;
                self.put_aside(&changes);
            }
        }
        drop(locked);
        self.log_returned(&back, now);
        self.update_records(&changes, &seen.containers, now);
        Ok((decided?, changes))
    }

    /// Rebuilds a ledger that cannot be trusted; the old file is set aside.
    fn rebuilt(
        &self,
        locked: &Locked<'_>,
        seen: &EngineSnapshot,
        now: Timestamp,
    ) -> Result<Ledger, Failure> {
        let ledger = rebuild(seen, &self.metadata.read_all()?, now);
        let aside = locked.set_aside(now.0)?;
        let kept = aside.map_or(String::new(), |path| format!("; see {}", path.display()));
        if let Stored::Damaged(damage) = &locked.stored {
            self.notice(format!(
                "the ledger cannot be trusted: {damage}; it was rebuilt from the engine, without the waiting line and reservations{kept}"
            ));
            let event = Event::new(now, "health.fail").with("what", "ledger rebuilt");
            self.log(event.with("reason", damage));
        }
        Ok(ledger)
    }

    /// A user's login, or the uid where there is none; looked up once.
    pub(crate) fn login(&self, uid: u32) -> String {
        let mut known = self.logins.borrow_mut();
        let login = known.entry(uid).or_insert_with(|| users::login(uid));
        login.clone()
    }

    /// Remembers the login of a user who was looked up already, so that the name service is not asked
    /// while the ledger is locked.
    pub(crate) fn knows(&self, person: &Person) {
        let mut known = self.logins.borrow_mut();
        known.insert(person.uid, person.login.clone());
    }

    /// The users in `changes` whose logins are not known yet.
    fn strangers(&self, changes: &[Change]) -> BTreeSet<u32> {
        let known = self.logins.borrow();
        let uids = changes.iter().filter_map(Change::uid);
        uids.filter(|uid| !known.contains_key(uid)).collect()
    }

    /// The ledger as it is now for somebody who only looks: nothing is written.
    ///
    /// # Errors
    ///
    /// If the state cannot be read.
    pub(crate) fn view(&self, look: &Look) -> Result<Ledger, Failure> {
        let now = clock::now();
        match &look.before {
            Stored::Whole(ledger) => {
                let mut ledger = Ledger::clone(ledger);
                reconcile(&mut ledger, &look.seen, now);
                Ok(ledger)
            }
            Stored::Damaged(damage) => {
                self.notice(format!("the ledger cannot be trusted: {damage}"));
                Ok(rebuild(&look.seen, &self.metadata.read_all()?, now))
            }
        }
    }

    /// Tells the user if a record could not be written: the ledger still has its entry.
    pub(crate) fn note(&self, written: Result<(), crate::ledger_file::StateError>) {
        if let Err(error) = written {
            self.notice(Failure::from(error).one_line());
        }
    }

    /// Whether a caller is an admin of this host: root, or named by the policy.
    ///
    /// # Errors
    ///
    /// If the policy or the name service cannot be read: nobody is an admin by doubt.
    pub fn is_admin(&self, caller: Caller) -> Result<bool, Failure> {
        if !caller.may_be_admin || caller.uid == 0 {
            return Ok(caller.may_be_admin);
        }
        let person = users::person(caller.uid)?;
        Ok(self
            .policy()?
            .is_admin(&person.login, &users::groups_of(&person)?))
    }
}

/// A failure that no error type stands for.
pub(crate) fn fail(kind: Kind, message: String, hint: String) -> Failure {
    Failure::new(kind, message).with_hint(hint)
}
