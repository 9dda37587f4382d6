//! What `gpu-reserve` reads: moments, devices, amounts.

use ds01_core::{
    device::Slot,
    failure::{Failure, Kind},
    share::Share,
    time::{Age, Timestamp},
};
use ds01_host::ops::Wanted;

fn usage(message: String, hint: &str) -> Failure {
    Failure::new(Kind::Usage, message).with_hint(hint)
}

/// A moment as people type it: `now`, `2026-12-01 09:00` (UTC), or a length of time after `base`.
///
/// # Errors
///
/// Status 2 for anything else.
pub fn moment(text: &str, base: Timestamp) -> Result<Timestamp, Failure> {
    if text == "now" {
        return Ok(base);
    }
    if let Ok(Age(after)) = text.parse() {
        return Ok(base + after);
    }
    Timestamp::typed(text).ok_or_else(|| {
        let hint = "such as 2026-12-01, '2026-12-01 09:00' (UTC), or 2d after the beginning";
        usage(format!("{text:?} is no time"), hint)
    })
}

/// What `--gpu` and `--amount` ask for.
///
/// # Errors
///
/// Status 2 unless one of them does.
pub fn wanted(gpu: Option<&str>, amount: Option<f64>) -> Result<Wanted, Failure> {
    match (gpu, amount) {
        (Some(_), Some(_)) => Err(crate::exclude_each_other("--gpu", "--amount")),
        (None, None) => {
            let message = "say what is to be reserved".to_string();
            Err(usage(
                message,
                "these devices with --gpu=0,1:2, or so many GPUs with --amount=2",
            ))
        }
        (Some(slots), None) => {
            let slots = slots.split([',', ' ']).filter(|slot| !slot.is_empty());
            let slots = slots.map(|slot| {
                slot.parse::<Slot>().map_err(|_| {
                    let hint = "a GPU is 0, a MIG device 0:1: see gpu-status";
                    usage(format!("{slot:?} is no device"), hint)
                })
            });
            let slots: Vec<_> = slots.collect::<Result<_, _>>()?;
            match slots.is_empty() {
                true => wanted(None, None),
                false => Ok(Wanted::Slots(slots)),
            }
        }
        (None, Some(amount)) => {
            let share = Share::from_gpus(amount).filter(|share| *share > Share::NONE);
            let odd = || {
                usage(
                    format!("{amount} GPUs cannot be reserved"),
                    "such as --amount=1.5",
                )
            };
            share.map(Wanted::Amount).ok_or_else(odd)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_comes_after_another() {
        let base = Timestamp(1_000_000);
        let at = |text: &str| moment(text, base).unwrap().to_string();
        assert_eq!(at("now"), base.to_string());
        assert_eq!(
            at("2d"),
            (base + std::time::Duration::from_secs(2 * 86_400)).to_string()
        );
        for (text, time) in [
            ("2026-12-01", "2026-12-01T00:00:00Z"),
            ("2026-12-01 09:30", "2026-12-01T09:30:00Z"),
            ("2026-12-01T09:30:05Z", "2026-12-01T09:30:05Z"),
        ] {
            assert_eq!(at(text), time);
        }
        for odd in ["", "tomorrow", "09:00", "2026-13-01"] {
            assert!(moment(odd, base).is_err(), "{odd}");
        }
    }

    #[test]
    fn devices_or_an_amount_are_reserved() {
        let slots = |text: &str| wanted(Some(text), None);
        let both = ["0".parse().unwrap(), "1:2".parse().unwrap()];
        assert_eq!(slots("0,1:2"), Ok(Wanted::Slots(both.to_vec())));
        assert_eq!(wanted(None, Some(1.0)), Ok(Wanted::Amount(Share::WHOLE)));
        for odd in ["", "x", "0,,y"] {
            assert_eq!(slots(odd).unwrap_err().kind, Kind::Usage, "{odd}");
        }
        for odd in [
            wanted(None, None),
            wanted(Some("0"), Some(1.0)),
            wanted(None, Some(0.0)),
        ] {
            assert_eq!(odd.unwrap_err().kind, Kind::Usage);
        }
    }
}
