//! Guesses what a misspelt word was meant to be.

/// What to add to a message about `word`: the nearest known word, or all of them.
pub(super) fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    // Short words are near to many others: one slip in up to five letters, two in longer ones.
    let allowed = if word.chars().count() > 5 { 2 } else { 1 };
    let nearest = known
        .clone()
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= allowed);
    match nearest {
        Some((_, candidate)) => format!("did you mean {candidate}?"),
        None => format!("use one of {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// How many letters to insert, remove, replace or swap with the next one; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let known = ["tenantRef", "email", "tier"];
        assert_eq!(hint("tenantref", known.into_iter()), "did you mean tenantRef?");
        assert_eq!(hint("emial", known.into_iter()), "did you mean email?");
        assert_eq!(hint("password", known.into_iter()), "use one of tenantRef, email, tier");
    }

    #[test]
    fn the_distance_counts_insertions_removals_replacements_and_swaps() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abd"), 1);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("abc", "bc"), 1);
    }
}
