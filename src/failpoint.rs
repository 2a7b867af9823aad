//! Places at which a test may end the process as a crash would: at once, with
//! nothing finished and nothing tidied up. Whoever commits, sends or marks
//! calls [`reach`]; it calls nothing. Only a build with debug assertions looks
//! at the variable `TENANTRY_FAILPOINT`: `trace` writes every place as it is
//! reached, `committed#3` ends the process at that place for the third time.
//! In a release build the function is empty.

/// The process has come to a place of this name.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_: &'static str) {}

#[cfg(debug_assertions)]
pub(crate) use armed::reach;

#[cfg(debug_assertions)]
mod armed {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    struct Armed {
        at: String,
        reached: Mutex<HashMap<&'static str, u64>>,
    }

    /// The process has come to a place of this name.
    pub(crate) fn reach(place: &'static str) {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| {
            let at = std::env::var("TENANTRY_FAILPOINT").ok()?;
            Some(Armed { at, reached: Mutex::default() })
        });
        let Some(armed) = armed else { return };
        let mut reached = armed.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let times = reached.entry(place).and_modify(|times| *times += 1).or_insert(1);
        let here = format!("{place}#{times}");
        if armed.at == "trace" {
            eprintln!("failpoint {here}");
        } else if armed.at == here {
            eprintln!("failpoint {here}: the process ends");
            std::process::abort();
        }
    }
}
