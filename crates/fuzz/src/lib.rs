//! Fuzz targets for what reads requests.
//!
//! Three of them, each a function that takes any bytes and fails if something happens that must
//! never: [`calls`] decides with `core` alone, [`http`] is the gateway's half without privileges,
//! [`keeper`] its half that is root. `scripts/fuzz` lets libFuzzer look for such bytes; the tests
//! here try some thousand that differ a little from those of [`seeds`].
#![expect(
    clippy::unwrap_used,
    reason = "what cannot be set up, and what must not happen, ends the run"
)]

mod bodies;
mod calls;
mod channel;
mod engine;
mod http;
mod keeper;
pub mod seeds;

pub use calls::calls;
pub use http::http;
pub use keeper::keeper;

/// The user who asks: nobody, who has a login everywhere.
const UID: u32 = 65534;

/// Another user.
const OTHER: u32 = 1002;

/// A runtime for one input at a time.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // What is ready is seen at once.
    builder.enable_all().event_interval(1).build().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that have broken parsers before.
    const ODD: [&str; 18] = [
        "null",
        "-1",
        "1e400",
        "\"\"",
        "{}",
        "[]",
        "host",
        "container:",
        "/..",
        "%2e",
        "%00",
        "\r\n",
        "\u{1e}",
        "\0",
        "._.1002",
        "ds01-1002/",
        "\"Privileged\":true,",
        ":",
    ];

    /// Numbers without pattern, the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end.max(1) as u64) as usize
        }

        /// `input` with a few changes, some of them parts of `other`.
        fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
            let mut bytes = input.to_vec();
            for _ in 0..=self.below(3) {
                let at = self.below(bytes.len() + 1);
                let end = (at + self.below(12)).min(bytes.len());
                match self.below(5) {
                    0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                    1 => drop(bytes.drain(at..end)),
                    2 => bytes = [&bytes[..end], &bytes[at..]].concat(),
                    3 => drop(bytes.splice(at..end, ODD[self.below(ODD.len())].bytes())),
                    _ => bytes.extend(&other[self.below(other.len())..]),
                }
            }
            bytes
        }
    }

    /// Tries all `inputs` as they are, and so many that differ.
    fn tried(target: fn(&[u8]), inputs: &[Vec<u8>], count: usize) {
        inputs.iter().for_each(|input| target(input));
        let mut numbers = Numbers(0x5eed);
        for _ in 0..count {
            let (input, other) = (numbers.below(inputs.len()), numbers.below(inputs.len()));
            target(&numbers.changed(&inputs[input], &inputs[other]));
        }
    }

    #[test]
    fn no_call_gets_past_what_core_decides() {
        tried(calls, &seeds::calls(), 20_000);
    }

    #[test]
    fn no_bytes_of_a_client_are_too_much_for_the_parser() {
        tried(http, &seeds::http(), 3_000);
    }

    #[test]
    fn a_body_that_grows_as_it_is_written_anew_is_not_asked() {
        let body = format!(r#"{{"a":[{}1]}}"#, "1e15,".repeat(200_000));
        let length = body.len();
        let head = format!("POST /ds01/v1/list HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        http((head + &body).as_bytes());
    }

    #[test]
    fn nothing_that_a_parser_says_gets_past_the_keeper() {
        tried(keeper, &seeds::keeper(), 3_000);
    }
}
