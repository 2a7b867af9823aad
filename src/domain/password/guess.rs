//! Patterns that are guessed first. What remains of a password after common
//! words, rows of keys, years and the account's own names are taken out is
//! what somebody would have to guess; too little of it and the password is
//! refused, however long it is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{MIN_LENGTH, Weakness};

/// So many characters of a password must be its own.
const OWN: usize = 7;

/// Whole passwords, without spaces and signs, in lower case.
static WHOLE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| lines(include_str!("whole.txt")).collect());

/// Words that passwords are made of, longest first.
static WORDS: LazyLock<Vec<Vec<char>>> = LazyLock::new(|| {
    let mut words: Vec<Vec<char>> = lines(include_str!("words.txt")).map(|w| w.chars().collect()).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
});

/// Keys and characters that follow each other; read in both directions.
const ROWS: [&str; 20] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjklöä",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "yxcvbnm,.-",
    "!@#$%^&*()_+",
    "!\"§$%&/()=?",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(super) fn check(password: &str, username: &str, email: &str) -> Result<(), Weakness> {
    let lower: Vec<char> = password.to_lowercase().chars().collect();
    if repeats(&lower) {
        return Err(Weakness::Repeated);
    }
    let letters: String = lower.iter().filter(|c| c.is_alphanumeric()).collect();
    if WHOLE.contains(letters.as_str()) {
        return Err(Weakness::Common);
    }
    judge(&lower, &names(username, email))
}

/// Whether the text is one piece shorter than a password, over and over; the
/// last time may be cut.
fn repeats(text: &[char]) -> bool {
    let longest = (text.len() / 2).min(MIN_LENGTH - 1);
    (1..=longest).any(|period| text.iter().zip(&text[period..]).all(|(a, b)| a == b))
}

/// Digits and signs that are written for letters.
const fn unmasked(c: char) -> char {
    match c {
        '@' | '4' => 'a',
        '3' => 'e',
        '1' | '!' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '7' => 't',
        other => other,
    }
}

/// The account's own names and their pieces, longest first. Short pieces
/// stand in too many words.
fn names(username: &str, email: &str) -> Vec<Vec<char>> {
    let (username, email) = (username.to_lowercase(), email.to_lowercase());
    let (local, domain) = email.rsplit_once('@').unwrap_or((&email, ""));
    let pieces = |text: &str| -> Vec<String> {
        let split = text.split(|c: char| !c.is_alphanumeric());
        split.chain([text]).map(str::to_owned).collect()
    };
    let mut names: Vec<Vec<char>> = [&*username, local, domain]
        .into_iter()
        .flat_map(pieces)
        .map(|name| name.chars().collect::<Vec<char>>())
        .filter(|name| name.len() >= 3)
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.dedup();
    names
}

/// Whether `text` begins with `word`, dressed up or not: "p@ssw0rd" is as well
/// known as what it stands for.
fn begins_with(text: &[char], word: &[char]) -> bool {
    text.len() >= word.len() && word.iter().zip(text).all(|(w, c)| w == c || *w == unmasked(*c))
}

/// Takes out what is well known and judges by what remains.
fn judge(text: &[char], names: &[Vec<char>]) -> Result<(), Weakness> {
    let (mut own, mut common, mut rows, mut named) = (0, 0, 0, 0);
    let mut signs = BTreeSet::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = |of: Option<&Vec<char>>| of.map_or(0, Vec::len);
        let name = length(names.iter().find(|name| begins_with(rest, name)));
        let word = length(WORDS.iter().find(|word| begins_with(rest, word))).max(year(rest));
        let row = row(rest);
        let longest = name.max(word).max(row);
        if longest == 0 {
            match rest.first() {
                Some(c) if c.is_alphanumeric() => own += 1,
                // The same sign between all pieces is no piece of its own.
                Some(c) => own += usize::from(signs.insert(*c)),
                None => {}
            }
        } else if longest == name {
            named += name;
        } else if longest == word {
            common += word;
        } else {
            rows += row;
        }
        at += longest.max(1);
    }
    if own >= OWN {
        return Ok(());
    }
    Err(if named > 0 && named >= common {
        Weakness::OwnName
    } else if common > 0 {
        Weakness::Common
    } else if rows > 0 {
        Weakness::Sequence
    } else {
        Weakness::Repeated
    })
}

/// Length of a year of our time at the beginning of `text`.
fn year(text: &[char]) -> usize {
    match text {
        ['1', '9', a, b, ..] | ['2', '0', a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => 4,
        _ => 0,
    }
}

/// Length of a row of neighbours, or of one character, at the beginning of
/// `text`, or of two rows that take turns, as in "1q2w3e"; less than three in
/// a row is chance.
fn row(text: &[char]) -> usize {
    let straight = along(text);
    if straight >= 3 {
        return straight;
    }
    let turn = |from: usize| text.iter().skip(from).step_by(2).copied().collect::<Vec<char>>();
    let (first, second) = (along(&turn(0)), along(&turn(1)));
    let pairs = first.min(second);
    if pairs >= 3 { 2 * pairs + usize::from(first > pairs) } else { 0 }
}

/// How far `text` goes along one row, or repeats one character.
fn along(text: &[char]) -> usize {
    let same = text.iter().take_while(|c| Some(*c) == text.first()).count();
    let rows = ROWS.iter().map(|keys| {
        let there: Vec<char> = keys.chars().collect();
        let back: Vec<char> = keys.chars().rev().collect();
        run(text, &there).max(run(text, &back))
    });
    rows.chain([same]).max().unwrap_or(0)
}

fn run(text: &[char], keys: &[char]) -> usize {
    let Some(start) = text.first().and_then(|first| keys.iter().position(|key| key == first)) else {
        return 0;
    };
    text.iter().zip(&keys[start..]).take_while(|(a, b)| a == b).count()
}
