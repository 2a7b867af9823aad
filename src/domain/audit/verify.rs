//! Proving the chain, entry after entry, in order of their places. It needs no
//! more memory for a million entries than for ten.

use std::fmt;

use jiff::Timestamp;

use super::{Head, Link, TrailKey};

/// What is wrong at a place of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The entry is not the one that was sealed there.
    Changed,
    /// No entry is there.
    Missing,
    /// The entry that belongs there was found at another place.
    Reordered {
        /// Where.
        at: i64,
    },
    /// The chain ends there, but the record of its head says otherwise.
    Head,
}

impl Fault {
    /// One word, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Reordered { .. } => "reordered",
            Self::Head => "head",
        }
    }
}

/// The first place at which the chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The place.
    pub sequence: i64,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, fault } = self;
        match fault {
            Fault::Changed => {
                write!(f, "entry {sequence} was changed after it was sealed, or never sealed by this key")
            }
            Fault::Missing => write!(f, "entry {sequence} is missing"),
            Fault::Reordered { at } => write!(f, "entry {sequence} was moved: it now stands at {at}"),
            Fault::Head => write!(
                f,
                "the chain ends at entry {sequence}, but the record of its head was changed or removed; entries after it may be missing"
            ),
        }
    }
}

/// Entries that are not sealed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsealed {
    /// How many.
    pub count: i64,
    /// The time of the oldest.
    pub since: Option<Timestamp>,
}

/// What the chain came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Sealed entries found.
    pub sealed: i64,
    /// Those of them that are proved: up to the break, if there is one.
    pub proved: i64,
    /// Digest of the last entry found.
    pub head: Option<String>,
    /// The first broken place.
    pub broken: Option<Break>,
    /// Whether the digest that somebody kept is in the proved part; none if
    /// nobody asked.
    pub expected: Option<bool>,
    /// The tail that nothing proves yet.
    pub unsealed: Unsealed,
}

/// Proves a chain. Give it every link, in order of their places.
#[derive(Debug)]
pub struct Verifier<'a> {
    key: &'a TrailKey,
    expect: Option<&'a str>,
    expected: bool,
    found: i64,
    last: i64,
    digest: String,
    suspect: Option<Suspect>,
}

/// The place at which the chain broke. Whoever belongs there may still come.
#[derive(Debug)]
struct Suspect {
    broken: Break,
    proved: i64,
    /// The digest before that place.
    before: String,
    /// The digest found at that place.
    digest: Option<String>,
}

impl<'a> Verifier<'a> {
    /// `expect` is a digest that somebody kept of an earlier head.
    pub fn new(key: &'a TrailKey, expect: Option<&'a str>) -> Self {
        Self { key, expect, expected: false, found: 0, last: 0, digest: String::new(), suspect: None }
    }

    /// The next link.
    pub fn take(&mut self, link: &Link) {
        self.found += 1;
        if let Some(suspect) = &mut self.suspect {
            let place = suspect.broken.sequence;
            if !matches!(suspect.broken.fault, Fault::Reordered { .. })
                && let Some(record) = &link.record
            {
                let belongs = self.key.digest(&suspect.before, place, record);
                if belongs == link.digest || Some(&belongs) == suspect.digest.as_ref() {
                    suspect.broken.fault = Fault::Reordered { at: link.sequence };
                }
            }
        } else {
            let place = self.last + 1;
            let whole = |record| self.key.digest(&self.digest, place, record) == link.digest;
            if link.sequence == place && link.record.as_ref().is_some_and(whole) {
                self.last = place;
                self.expected |= self.expect == Some(link.digest.as_str());
            } else if link.sequence == place {
                self.suspect(place, Fault::Changed, Some(link.digest.clone()));
            } else if link.sequence < place {
                // Places count from 1: nobody of ours stands before.
                self.suspect(link.sequence, Fault::Changed, None);
            } else {
                self.suspect(place, Fault::Missing, None);
                // It may be the very one that is missed.
                self.found -= 1;
                self.take(link);
            }
        }
        self.digest.clone_from(&link.digest);
    }

    fn suspect(&mut self, sequence: i64, fault: Fault, digest: Option<String>) {
        let broken = Break { sequence, fault };
        self.suspect = Some(Suspect { broken, proved: self.last, before: self.digest.clone(), digest });
    }

    /// Ends the chain with the record of its head and the tail behind it.
    pub fn finish(self, head: Option<&Head>, unsealed: Unsealed) -> Verified {
        let Self { key, expect, expected, found, last, digest, suspect } = self;
        let (proved, broken) = match suspect {
            Some(suspect) => (suspect.proved, Some(suspect.broken)),
            None => {
                let fault = match head {
                    None if last == 0 => None,
                    None => Some((last, Fault::Head)),
                    Some(head) if !key.is_ours(head) => Some((last, Fault::Head)),
                    Some(head) if head.sequence > last => Some((last + 1, Fault::Missing)),
                    Some(head) if head.sequence < last || head.digest != digest => Some((last, Fault::Head)),
                    Some(_) => None,
                };
                (last, fault.map(|(sequence, fault)| Break { sequence, fault }))
            }
        };
        Verified {
            sealed: found,
            proved,
            head: (found > 0).then_some(digest),
            broken,
            expected: expect.map(|_| expected),
            unsealed,
        }
    }
}
