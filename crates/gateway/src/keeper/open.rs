//! How many connections are open, and whose.

use ds01_core::container::ContainerId;

use super::{Gateway, IN_ALL, PER_USER};

/// Whose connections are counted and parsed together. What a process in a container says its uid
/// is, is not somebody's on the host.
pub(crate) type Who = (u32, Option<ContainerId>);

/// Who is nobody on the host: with ids of their own, as in /etc/subuid, a user would be as many as
/// they like.
const NOBODYS: u32 = u32::MAX;

/// All of whom it is not known yet whether they have a login.
pub(super) const STRANGERS: Who = (NOBODYS, None);

/// All of whom nobody can tell, as the name service does not answer.
pub(super) const UNTOLD: Who = (NOBODYS, Some(ContainerId(String::new())));

/// All who have none, in the way of nobody of whom it is not known yet. No container has this id.
pub(super) const NO_LOGIN: Who = (0, Some(ContainerId(String::new())));

impl Gateway {
    /// Counts a connection; `false` if there are too many.
    pub(super) fn count(&self, who: &Who) -> bool {
        let Ok(mut open) = self.open.lock() else {
            return false;
        };
        let all: usize = open.values().sum();
        let of_user = open.get(who).copied().unwrap_or_default();
        let room = of_user < PER_USER && all < IN_ALL;
        if room {
            open.insert(who.clone(), of_user + 1);
        }
        room
    }

    /// One that was counted with `who` counts with `known`; `false` if there are too many, and then
    /// it is not counted any more.
    pub(super) fn recount(&self, who: &mut Who, known: Who) -> bool {
        if *who == known {
            return true;
        }
        let room = self.count(&known);
        self.discount(who);
        *who = known;
        room
    }

    /// A counted connection has closed.
    pub(super) fn discount(&self, who: &Who) {
        let Ok(mut open) = self.open.lock() else {
            return;
        };
        if let Some(of_user) = open.get_mut(who) {
            *of_user -= 1;
            if *of_user == 0 {
                open.remove(who);
            }
        }
        self.closed.notify_waiters();
    }
}
