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

/// Asks for events. Whoever is no admin is shown their own, and what others did to their containers.
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
            false => Some(Own {
                names: [person(caller.uid)?.login, caller.uid.to_string()],
                uid: caller.uid,
            }),
        };
        if !self.filter.is_short() {
            let hint = "name fewer types, or all of a category by its name alone";
            let message = "the filter is longer than is read";
            return Err(fail(Kind::Usage, message.into(), hint.into()));
        }
        if let (Some(own), Some(user)) = (&own, &self.filter.user)
            && !own.names.contains(user)
        {
            return Err(fail(
                Kind::Forbidden,
                "only admins see the events of other users".into(),
                "see your own without --user".into(),
            ));
        }
        let mut gathered = Gathered {
            marks: own.as_ref().map(Own::marks),
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

/// Who is shown their own events, and what others did to their containers.
struct Own {
    /// By what names the log has them.
    names: [String; 2],
    uid: u32,
}

impl Own {
    fn is_of(&self, event: &Event) -> bool {
        let user = event.user.as_ref();
        user.is_some_and(|user| self.names.contains(user)) || event.owner() == Some(self.uid)
    }

    /// What a line has that is theirs, one of them at least.
    fn marks(&self) -> [String; 3] {
        let [login, uid] = self.names.each_ref().map(|name| format!("{name:?}"));
        [login, uid, format!("._.{}\"", self.uid)]
    }
}

/// What was found so far.
struct Gathered<'a> {
    /// Who asks, if they see nobody else's.
    own: Option<Own>,
    /// See [`Own::marks`]: what has none is not looked at.
    marks: Option<[String; 3]>,
    filter: &'a Filter,
    read: EventsRead,
}

impl Reader for Gathered<'_> {
    fn line(&mut self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        if let Some(marks) = &self.marks
            && !marks.iter().any(|mark| text.contains(mark))
        {
            return true;
        }
        let line = Event::read(&text);
        self.read.torn += usize::from(line.torn);
        let is_own = |event: &Event| self.own.as_ref().is_none_or(|own| own.is_of(event));
        let meant = line
            .event
            .filter(|event| is_own(event) && self.filter.matches(event));
        self.read.events.extend(meant);
        self.read.events.len() < MOST
    }
}
