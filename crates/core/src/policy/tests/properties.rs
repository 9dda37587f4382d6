//! Any text is either read or refused.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}|([a-z<]{1,3}|[:\\-#&*!?{}\\[\\],|>'\"%@\n ]|: |\n  |~|[0-9.]{1,3}){0,80}") {
        let mut all = files(&text);
        all.overrides = Some(source("o", &text));
        all.exemptions = Some(source("e", &text));
        all.members = vec![("student".into(), source("m", &text))];
        let _ = Policy::parse(&all);
        all.limits.text = SITE.into();
        let _ = Policy::parse(&all);
    }

    #[test]
    fn a_file_with_a_part_replaced_loads_or_is_refused_on_one_line(
        start in 0..SITE.len(),
        cut in 0..40usize,
        put in "(?s).{0,3}|null|-1|\\.nan|[:{}\\[\\]\n \"'&*]{0,4}",
    ) {
        let mut text = SITE.to_owned();
        text.replace_range(start..(start + cut).min(SITE.len()), &put);
        match Policy::parse(&files(&text)) {
            Ok((policy, _)) => prop_assert_eq!(policy.limits_for("alice").priority, 10),
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
        }
    }
}
