//! A real PostgreSQL cluster, and a database of its own for every test.
//!
//! The databases belong to a role without any special right, and sort text by
//! the rules of English (ICU): what only works for a superuser or in the byte
//! order of the C locale fails here as it would at a customer's.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::guarded::{Guarded, free_port, run};
use super::run::{Alone, Folder, alone, blocking, or_panic, own_uid, shared};

/// The daemon refuses to run as root; the package brings this user.
const USER: &str = "postgres";

#[derive(Serialize, Deserialize)]
pub(crate) struct Postgres {
    folder: PathBuf,
    watch: u32,
    programs: PathBuf,
    port: u16,
    superuser_password: String,
    password: String,
    version: String,
}

impl Postgres {
    /// The cluster of this test run.
    pub(crate) async fn shared() -> &'static Self {
        static CELL: OnceLock<Postgres> = OnceLock::new();
        shared(&CELL, "postgres", start).await
    }

    /// A cluster of the test's own, to be stopped and started again.
    pub(crate) async fn alone() -> Alone<Self> {
        alone("postgres", start).await
    }

    /// Makes an empty database and gives its URL. `name` is for the eye only.
    pub(crate) async fn database(&self, name: &str) -> String {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        let name = format!("{}_{:08x}", name.to_lowercase(), rand::random::<u32>());
        let statement = format!("CREATE DATABASE \"{name}\" OWNER tenantry");
        or_panic(self.as_superuser(&statement).await);
        format!("postgres://tenantry:{}@127.0.0.1:{}/{name}", self.password, self.port)
    }

    /// The same database, reached with every right.
    pub(crate) fn superuser_url(&self, url: &str) -> String {
        let database = url.rsplit('/').next().unwrap_or("postgres");
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.superuser_password, self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As `postgres --version` tells it.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Ends the server as a crash would. Only for a cluster of the test's own.
    pub(crate) async fn stop(&self) {
        let guarded = Guarded::at(&self.folder(), "postgres");
        or_panic(blocking(move || guarded.stop()).await);
    }

    /// Starts the stopped server on its old port with its old data.
    pub(crate) async fn start(&self) {
        let (folder, programs, port) = (self.folder(), self.programs.clone(), self.port);
        or_panic(blocking(move || serve(&folder, &programs, port)).await);
    }

    fn folder(&self) -> Folder {
        Folder { path: self.folder.clone(), watch: self.watch }
    }

    async fn as_superuser(&self, statement: &str) -> Result<(), String> {
        let problem = |e: sqlx::Error| format!("PostgreSQL: `{statement}`: {e}");
        let mut connection =
            PgConnection::connect(&self.superuser_url("/postgres")).await.map_err(problem)?;
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.map_err(problem)?;
        connection.close().await.map_err(problem)
    }
}

fn start(folder: &Folder) -> Result<Postgres, String> {
    let programs = programs()?;
    let version = run(Command::new(programs.join("postgres")).arg("--version"))?;
    let part = Postgres {
        folder: folder.path.clone(),
        watch: folder.watch,
        port: free_port(),
        superuser_password: format!("{:032x}", rand::random::<u128>()),
        password: format!("{:032x}", rand::random::<u128>()),
        version: version.trim().to_owned(),
        programs,
    };
    let data = folder.folder("data")?;
    let secret = folder.write("password", &part.superuser_password, true)?;
    if own_uid() == 0 {
        let user = |flag: &str| -> Result<u32, String> {
            let id = run(Command::new("id").args([flag, USER]))?;
            id.trim().parse().map_err(|_| format!("id {flag} {USER}: {id}"))
        };
        let (uid, gid) = (user("-u")?, user("-g")?);
        for path in [&data, &secret] {
            chown(path, Some(uid), Some(gid)).map_err(|e| format!("chown {}: {e}", path.display()))?;
        }
    }
    let mut initdb = unprivileged("TERM", &part.programs.join("initdb"));
    initdb.extend(
        [
            "--no-sync",
            "--username",
            USER,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        ]
        .map(str::to_owned),
    );
    if icu(&part.version) {
        initdb.extend(["--locale-provider", "icu", "--icu-locale", "en-US"].map(str::to_owned));
    }
    initdb.extend(["--pwfile".into(), text(&secret), "--pgdata".into(), text(&data)]);
    run(Command::new("timeout").arg("60").args(initdb).current_dir(&folder.path))?;

    serve(folder, &part.programs, part.port)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let role = format!("CREATE ROLE tenantry LOGIN PASSWORD '{}'", part.password);
    runtime.block_on(part.as_superuser(&role))?;
    Ok(part)
}

fn serve(folder: &Folder, programs: &Path, port: u16) -> Result<(), String> {
    let mut command = unprivileged("QUIT", &programs.join("postgres"));
    command.extend(["-D".into(), text(&folder.file("data"))]);
    let settings = [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "unix_socket_directories=",
        "max_connections=300",
        // Nothing here has to survive the machine. A commit still has to survive
        // the server's own crash, so `synchronous_commit` stays on.
        "fsync=off",
        "full_page_writes=off",
    ];
    for setting in settings {
        command.extend(["-c".to_owned(), setting.to_owned()]);
    }
    // The log of an earlier start would answer for this one.
    let _ = fs::remove_file(folder.file("postgres.log"));
    let guarded = Guarded::at(folder, "postgres");
    // QUIT is the fast end that still gives the shared memory back.
    guarded.start(folder.watch, "QUIT", &command)?;
    guarded.until(Duration::from_secs(30), || guarded.output().contains("ready to accept connections"))
}

/// The kernel sends the signal should the guard be killed. It forgets that when
/// the user changes, so both are said to the same program.
fn unprivileged(signal: &str, program: &Path) -> Vec<String> {
    let mut command = vec!["setpriv", "--pdeathsig", signal];
    if own_uid() == 0 {
        command.extend(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    let mut command: Vec<String> = command.into_iter().map(str::to_owned).collect();
    command.push(text(program));
    command
}

/// Debian keeps one folder for each major version; the newest is taken.
fn programs() -> Result<PathBuf, String> {
    let debian = Path::new("/usr/lib/postgresql");
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin"))))
        .filter(|(_, path)| path.join("initdb").exists() && path.join("postgres").exists())
        .collect();
    found.sort();
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|p| p.join("initdb").exists() && p.join("postgres").exists())
    };
    found
        .pop()
        .map(|(_, path)| path)
        .or_else(in_path)
        .ok_or_else(|| format!("no PostgreSQL in {} or PATH: `make deps` installs it", debian.display()))
}

fn icu(version: &str) -> bool {
    version
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|word| word.parse::<u32>().ok())
        .is_some_and(|major| major >= 15)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
