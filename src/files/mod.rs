//! A folder of YAML as the source of objects, without a cluster. It finds and
//! reads the files, builds a [`Manifest`](crate::engine::Manifest) of each
//! object, and drives the engine over them: once for `apply`, again and again
//! for `run --from`. The application composes it and the commands show what it
//! found; it calls the engine and the types in `api`, and prints nothing.
//!
//! A file's way: `walk` finds it, `document` splits and parses it, `object`
//! judges each document by its schema and rules, `load` collects them in the
//! `order` of judging, `pass` brings them into the database, `watch` starts
//! over when something changes.

mod assertions;
mod document;
mod fault;
mod load;
mod object;
mod order;
mod origin;
mod pass;
mod references;
mod rehearse;
mod rules;
mod surroundings;
mod walk;
mod watch;

pub use assertions::Assertion;
pub use fault::{Fault, FaultLine};
pub use load::{Loaded, MAX_OBJECTS, load};
pub use object::Object;
pub use origin::Origin;
pub use pass::{Done, Passes, Prune};
pub use references::reference_faults;
pub use rehearse::{in_memory, rehearse};
pub use rules::rule_faults;
pub use surroundings::FileSurroundings;
pub use walk::{MAX_FILE, MAX_FILES};
pub use watch::{Listener, Options, PassMade, WatchError, watch};
