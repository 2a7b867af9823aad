//! The sections that Individual access filters (R5): the table of its source,
//! row by row, as words of the vocabulary.

use crate::domain::permission::Pattern;

/// Every section, in the order of the table.
pub const SECTIONS: [&str; 19] = [
    "cameras.logins",
    "cameras.actions",
    "cameras.analytics",
    "cameras.archive",
    "devices.intercoms",
    "devices.bridges",
    "devices.cameras",
    "administration.administrators",
    "administration.users",
    "administration.subusers",
    "analytics.streams",
    "analytics.events",
    "reports.users",
    "reports.system",
    "reports.activity",
    "logging.administrators",
    "logging.actions",
    "complaints.cameras",
    "complaints.analytics",
];

/// The resource whose instances are devices.
const DEVICE: &str = "device";

/// Whether Individual access filters a resource: a section of the table,
/// something below one (`cameras.archive.clips`), or devices. Every other
/// section falls under the granted rules alone. A pattern is filtered if any
/// of it is.
pub fn filtered(resource: &Pattern) -> bool {
    SECTIONS.iter().chain([&DEVICE]).any(|section| Pattern::new(format!("{section}.*")).overlaps(resource))
}
