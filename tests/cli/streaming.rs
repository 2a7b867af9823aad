//! A long answer is written as it is read: it takes no more memory for many
//! devices than for few, on both databases.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::{PATIENCE, Place, account, tenant};
use crate::harness::{Postgres, Tenantry};

const FEW: usize = 3_000;
const MANY: usize = 60_000;
/// What the answer about many may take more than the one about few: less than
/// it would take to keep it, and more than caches that fill.
const MORE_KILOBYTES: u64 = 10_000;

/// Lines of the answer, and the most memory that the process had, in kilobytes.
fn what_can(place: &Place, database: &str, form: &[&str]) -> (usize, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["what-can", "ada"])
        .args(form)
        .current_dir(place.folder.path())
        .env("TENANTRY_DATABASE_URL", database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut lines, mut most) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        assert!(line.is_ok());
        lines += 1;
        if lines % 1_000 == 0 {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse().ok());
            most = peak.unwrap_or(0).max(most);
        }
    }
    assert!(child.wait().unwrap().success());
    (lines, most)
}

/// A Root whose tenant holds so many devices.
async fn peaks(database: &str, devices: usize) -> [u64; 2] {
    let place = Place::with(&format!("{}{}", tenant("acme", "{}"), account("ada", "  tier: Root\n")));
    place.write("key", "07".repeat(32));
    let setting = ["--database-url", database, "--key-file", "key"];
    let applied = place.call(&[&["apply", "-f", "objects"], &setting[..]].concat()).await;
    assert_eq!(applied.code(), Some(0), "{applied:?}");
    let mut list = "device_id,unit_id,name,labels,tenant\n".to_owned();
    (0..devices).for_each(|n| list.push_str(&format!("device-{n:08},,A device,,default/acme\n")));
    place.write("devices.csv", list);
    let import = ["devices", "import", "devices.csv", "--database-url", database];
    let imported = Tenantry::new(import).dir(place.folder.path()).finish(PATIENCE * 4).await;
    assert_eq!(imported.code(), Some(0), "{imported:?}");
    [&[][..], &["-o", "json"][..]].map(|form| {
        let (lines, most) = what_can(&place, database, form);
        assert!(lines > devices, "{lines} lines for {devices} devices");
        assert!(most > 0, "nobody said how much memory it took");
        most
    })
}

fn no_more(few: [u64; 2], many: [u64; 2]) {
    for (few, many) in few.into_iter().zip(many) {
        assert!(many <= few + MORE_KILOBYTES, "{few} kB for {FEW} devices, {many} kB for {MANY}");
    }
}

#[tokio::test]
async fn what_can_needs_no_more_memory_for_more_devices_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    no_more(peaks(&url("few.db"), FEW).await, peaks(&url("many.db"), MANY).await);
}

#[tokio::test]
async fn what_can_needs_no_more_memory_for_more_devices_on_postgresql() {
    let postgres = Postgres::shared().await;
    let (few, many) = (postgres.database("few").await, postgres.database("many").await);
    no_more(peaks(&few, FEW).await, peaks(&many, MANY).await);
}
