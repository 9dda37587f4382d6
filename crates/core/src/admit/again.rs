//! Whether a container that has stopped may have its devices for another run.

use super::{Denied, grants_now, within};
use crate::{
    device::slot_list,
    ledger::{Allocation, Ledger},
    limits::Limits,
    time::Timestamp,
};

/// Whether `limits` allow a container whose hold has ended to have its own devices again. Within the
/// hold nobody asks: what it has was granted, and stays its own though the limits are lower by now.
///
/// # Errors
///
/// [`Denied::Rebuilt`], [`Denied::HadMore`], [`Denied::HadWhole`], [`Denied::Quota`].
pub fn admit_again(
    entry: &Allocation,
    limits: &Limits,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), Denied> {
    grants_now(ledger, now)?;
    let name = &entry.container.name;
    let has = entry.devices.len() as u32;
    if let Some(limit) = limits.devices_per_container.filter(|limit| has > *limit) {
        let name = name.clone();
        return Err(Denied::HadMore { name, has, limit });
    }
    let whole = entry.devices.iter().filter(|held| held.slot.mig.is_none());
    let whole: Vec<_> = whole.cloned().collect();
    if !limits.whole_gpus && !whole.is_empty() {
        let (name, slots) = (name.clone(), slot_list(&whole));
        return Err(Denied::HadWhole { name, slots });
    }
    let (held, asked) = (ledger.held_by(entry.container.uid, now), entry.share());
    within(limits, held, asked)
}
