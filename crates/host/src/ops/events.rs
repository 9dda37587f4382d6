//! `ds01-events`: the log of what happened, as far as it is the caller's.

use std::io;

use ds01_core::{
    event::{Event, Filter},
    failure::{Failure, Kind},
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site,
    events::{Place, Reader},
    site::fail,
    users::{Caller, person},
};

/// Events in one answer, at most.
const MOST: usize = 1000;

/// Asks for events. Whoever is no admin is shown their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadEvents {
    /// Which.
    pub filter: Filter,
    /// Those after what was read before; `None`: from the first that is kept.
    pub after: Option<Place>,
}

/// Events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsRead {
    /// Those that were asked for.
    pub events: Vec<Event>,
    /// How many lines among what was read are something else, or torn.
    pub torn: usize,
    /// From where to read on.
    pub place: Place,
    /// There are no more for now.
    pub end: bool,
}

impl Operation for ReadEvents {
    const NAME: &'static str = "read-events";
    type Answer = EventsRead;

    fn run(&self, site: &Site, caller: Caller) -> Result<EventsRead, Failure> {
        let own = match site.is_admin(caller)? {
            true => None,
            false => Some([person(caller.uid)?.login, caller.uid.to_string()]),
        };
        if !self.filter.is_short() {
            let hint = "name fewer types, or all of a category by its name alone";
            let message = "the filter is longer than is read";
            return Err(fail(Kind::Usage, message.into(), hint.into()));
        }
        if let (Some(own), Some(user)) = (&own, &self.filter.user)
            && !own.contains(user)
        {
            return Err(fail(
                Kind::Forbidden,
                "only admins see the events of other users".into(),
                "see your own without --user".into(),
            ));
        }
        let mut gathered = Gathered {
            quoted: own
                .as_ref()
                .map(|own| own.each_ref().map(|name| format!("{name:?}"))),
            own,
            filter: &self.filter,
            read: EventsRead::default(),
        };
        let log = &site.events;
        let read = log.read(self.after.as_ref(), self.filter.since, &mut gathered);
        let (place, end) = read.map_err(|error| {
            let message = format!("cannot read {}", log.path().display());
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => Kind::Forbidden,
                _ => Kind::Unreachable,
            };
            let mut failure = fail(kind, message, "tell an admin".into());
            failure.causes = vec![error.to_string()];
            failure
        })?;
        Ok(EventsRead {
            place,
            end,
            ..gathered.read
        })
    }
}

/// What was found so far.
struct Gathered<'a> {
    /// By what names the log has the caller, if they see nobody else's.
    own: Option<[String; 2]>,
    /// The same as they stand in a line: what has neither is not looked at.
    quoted: Option<[String; 2]>,
    filter: &'a Filter,
    read: EventsRead,
}

impl Reader for Gathered<'_> {
    fn line(&mut self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        if let Some(quoted) = &self.quoted
            && !quoted.iter().any(|name| text.contains(name))
        {
            return true;
        }
        let line = Event::read(&text);
        self.read.torn += usize::from(line.torn);
        let is_own = |event: &Event| match (&self.own, &event.user) {
            (None, _) => true,
            (Some(own), Some(user)) => own.contains(user),
            (Some(_), None) => false,
        };
        let meant = line
            .event
            .filter(|event| is_own(event) && self.filter.matches(event));
        self.read.events.extend(meant);
        self.read.events.len() < MOST
    }
}
