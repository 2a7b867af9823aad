//! Tests of what the API server at hand cannot do are left out, by name.
//!
//! Nothing else may skip, so the only way is through a [`Feature`]. The names
//! go into the file that `TENANTRY_TEST_SKIPS` names; `make test` prints it.

use std::fs::OpenOptions;
use std::io::Write;

/// What older API servers do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Validation rules in CRDs, as in Kubernetes 1.29 and newer.
    Cel,
    /// `selectableFields` in CRDs, as in Kubernetes 1.31 and newer.
    SelectableFields,
}

impl Feature {
    /// The first minor version of Kubernetes 1 that has it for everybody.
    pub(crate) fn since(self) -> u32 {
        match self {
            Self::Cel => 29,
            Self::SelectableFields => 31,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cel => "CEL rules",
            Self::SelectableFields => "selectable fields",
        }
    }
}

/// Leaves the test when the API server lacks the feature:
/// `needs!(cluster, Feature::Cel);`
macro_rules! needs {
    ($cluster:expr, $feature:expr) => {
        if let Some(reason) = $cluster.lacks($feature) {
            fn here() {}
            $crate::harness::skipped(std::any::type_name_of_val(&here), &reason);
            return;
        }
    };
}
pub(crate) use needs;

/// Writes down that a test was left out; called by `needs!`.
pub(crate) fn skipped(function: &str, reason: &str) {
    let name: Vec<&str> =
        function.split("::").filter(|part| !matches!(*part, "here" | "{{closure}}")).collect();
    let line = format!("{}: {reason}\n", name.join("::"));
    eprint!("skipped: {line}");
    if let Some(path) = std::env::var_os("TENANTRY_TEST_SKIPS") {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("cannot note the skipped test in {}: {error}", path.display());
        }
    }
}
