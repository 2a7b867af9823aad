//! What two endings do not have in common, for people.

use std::collections::BTreeMap;

/// Fails with the lines that only one of the two has.
#[track_caller]
pub(crate) fn none(at: &str, left: (&str, &[String]), right: (&str, &[String])) {
    if let Some(told) = told(left, right) {
        panic!("{at}: {} and {} do not end the same\n{told}", left.0, right.0);
    }
}

/// What is told of a great difference; its causes come first.
const SHOWN: usize = 40;

/// The lines that only one side has, those about the same thing together.
pub(crate) fn told(left: (&str, &[String]), right: (&str, &[String])) -> Option<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in left.1 {
        *counts.entry(line).or_default() += 1;
    }
    for line in right.1 {
        *counts.entry(line).or_default() -= 1;
    }
    counts.retain(|_, count| *count != 0);
    if counts.is_empty() {
        return None;
    }
    let mut told = vec![format!("- {}", left.0), format!("+ {}", right.0)];
    for (line, count) in counts {
        let side = if count > 0 { '-' } else { '+' };
        told.extend((0..count.abs()).map(|_| format!("{side} {line}")));
    }
    if told.len() > SHOWN {
        let more = told.len() - SHOWN;
        told.truncate(SHOWN);
        told.push(format!("and {more} lines more"));
    }
    Some(told.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_and_as_often_as_it_differs() {
        let lines = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (left, right) = (lines(&["a", "b", "b"]), lines(&["b", "a", "c"]));
        assert_eq!(told(("l", &left), ("r", &left)), None);
        assert_eq!(told(("l", &left), ("r", &right)).unwrap(), "- l\n+ r\n- b\n+ c");
    }
}
