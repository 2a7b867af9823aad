//! Mistakes in settings, and machines that lack something.

use std::net::TcpListener;

use super::{Place, fails, free_port, tenant};

fn place() -> Place {
    Place::with(&tenant("acme", "{}"))
}

#[tokio::test]
async fn wrong_settings_are_wrong_usage_and_repeat_no_password() {
    for (flag, value, line) in [
        (
            "--database-url",
            "mysql://kim:secret@db/x",
            "error: --database-url must begin with sqlite:// or postgres://, for example sqlite://tenantry.db or postgres://user@host/tenantry",
        ),
        (
            "--mail-url",
            "smtp://kim:secret@mail:25?tls=none",
            "error: --mail-url cannot be used: a user name and password are refused without TLS; use STARTTLS or implicit TLS, or leave them out",
        ),
        (
            "--mail-from",
            "nobody",
            "error: --mail-from must be an address such as kim@example.org or \"ACME <kim@example.org>\"",
        ),
        (
            "--public-url",
            "accounts.example.org",
            "error: --public-url must be the base of links such as https://accounts.example.org, with its scheme",
        ),
        ("--listen", "8080", "error: --listen must be an address and a port such as 127.0.0.1:8080"),
    ] {
        let finished = place().call(&["apply", "-f", "objects", flag, value]).await;
        fails(&finished, 2, line);
        assert!(!finished.stderr.contains("secret"));
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_or_holds_nothing_is_named() {
    let place = Place::new();
    fails(
        &place.call(&["apply", "-f", "nowhere"]).await,
        1,
        "error: nowhere cannot be read: check the path: No such file or directory (os error 2)",
    );
    fails(&place.apply().await, 1, "error: objects holds no object of Tenantry: check the path");
    fails(&place.validate().await, 1, "error: objects holds no object of Tenantry: check the path");
}

#[tokio::test]
async fn an_unreachable_database_is_one_line_without_its_password() {
    let place = place();
    let port = free_port();
    place.write("key", "6f".repeat(32));
    let url = format!("postgres://kim:secret@127.0.0.1:{port}/accounts");
    let finished = place.call(&["apply", "-f", "objects", "--key-file", "key", "--database-url", &url]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    let begin = format!(
        "error: the database postgres://127.0.0.1:{port}/accounts cannot be opened; check --database-url: "
    );
    assert!(finished.stderr.starts_with(&begin), "{finished:?}");
    assert!(finished.stderr.contains("refused"), "{finished:?}");
    assert!(finished.stderr.lines().count() == 1 && !finished.stderr.contains("secret"), "{finished:?}");
}

#[tokio::test]
async fn a_folder_that_is_missing_or_cannot_be_written_is_one_line() {
    fails(
        &place().call(&["apply", "-f", "objects", "--database-url", "sqlite:///nowhere/x.db"]).await,
        1,
        "error: the folder /nowhere of the database does not exist: create it, or change --database-url",
    );
    // Nobody, root included, can create a file there.
    fails(
        &place().call(&["apply", "-f", "objects", "--database-url", "sqlite:///proc/x.db"]).await,
        1,
        "error: the database sqlite:///proc/x.db cannot be opened; check --database-url: error returned from database: (code: 14) unable to open database file",
    );
    let finished = place().call(&["run", "--from", "objects", "--database-url", "sqlite:///proc/x.db"]).await;
    fails(
        &finished,
        1,
        "error: the lock file /proc/x.db.lock cannot be written: make its folder writable, or change --database-url: No such file or directory (os error 2)",
    );
}

#[tokio::test]
async fn r8_a_key_that_is_missing_short_or_another_is_refused() {
    let place = place();
    assert_eq!(place.apply().await.code(), Some(0));
    std::fs::rename(place.path("tenantry.key"), place.path("old.key")).unwrap();
    fails(
        &place.apply().await,
        1,
        "error: the key file tenantry.key is missing, but links were made with it: put it back, or give it with --key-file; without it every link sent so far is lost",
    );
    let with = async |key: &str| place.call(&["apply", "-f", "objects", "--key-file", key]).await;
    assert_eq!(with("old.key").await.code(), Some(0));
    fails(
        &with("nowhere.key").await,
        1,
        "error: the key file nowhere.key does not exist: check --key-file, or make a key with `head -c 32 /dev/urandom | base64 > nowhere.key`",
    );
    place.write("short.key", "abc");
    fails(
        &with("short.key").await,
        1,
        "error: the key file short.key does not hold at least 32 bytes in hex or base64: make one with `head -c 32 /dev/urandom | base64`",
    );
    place.write("other.key", "6f".repeat(32));
    fails(
        &with("other.key").await,
        1,
        "error: this database was used with another link key; links already sent would stop working. Give the old key with --key-file",
    );
}

#[tokio::test]
async fn a_port_in_use_names_flag_and_address_before_anything_is_done() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (pages, operations, flag) in [(port, free_port(), "--listen"), (free_port(), port, "--ops-listen")] {
        let place = place();
        let running = place.start(pages, operations, &[]);
        let status = running.wait(super::PATIENCE).await;
        assert_eq!(status.code(), Some(1));
        assert_eq!(
            running.stderr().trim_end(),
            format!(
                "error: cannot listen on 127.0.0.1:{port}: another program uses this port; stop it or choose another port with {flag}: Address already in use (os error 98)"
            )
        );
        assert!(!place.path("tenantry.db").exists(), "nothing was begun");
    }
}

#[tokio::test]
async fn a_second_run_on_one_sqlite_file_is_refused_and_other_commands_work_beside_it() {
    let place = place();
    let (_first, _) = place.run(&[]).await;
    let second = place.start(free_port(), free_port(), &[]);
    assert_eq!(second.wait(super::PATIENCE).await.code(), Some(1));
    assert_eq!(
        second.stderr().trim_end(),
        "error: another `tenantry run` works on tenantry.db already: stop it, or give this one another --database-url (the lock is tenantry.db.lock)"
    );
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(place.call(&["devices", "list"]).await.code(), Some(0));
}

#[tokio::test]
async fn mail_that_cannot_be_sent_holds_nothing_back_and_is_said() {
    let place = Place::with(&format!("{}{}", tenant("acme", "{}"), super::account("kim", "")));
    let url = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let finished =
        place.call(&["apply", "-f", "objects", "--mail-url", &url, "--mail-from", "a@b.example"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(finished.stderr.contains("warning: 1 mail could not be sent"), "{finished:?}");
    let finished = place.apply().await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert_eq!(super::files_in(&place.path("outbox")), 1, "the next apply sends what waited");
}

#[tokio::test]
async fn secrets_come_from_their_folder_and_a_missing_one_is_named() {
    let account = super::account("kim", "  emailVerified: true\n  passwordSecretRef: {name: s}\n");
    let place = Place::with(&format!("{}{account}", tenant("acme", "{}")));
    fails(
        &place.call(&["apply", "-f", "objects", "--secrets-dir", "secrets"]).await,
        1,
        "error: the folder secrets of --secrets-dir cannot be read: check the path and its permissions: No such file or directory (os error 2)",
    );
    place.write("secrets/default/s/password", "tangerine-orbit-ladder-42\n");
    let list = place.applied(&["--secrets-dir", "secrets"]).await;
    assert!(list.iter().all(|object| object["ready"] == true), "{list:#?}");
    let list = place.call(&["activation", "list"]).await.stdout;
    assert!(list.contains(" Active "), "an address and a password need no invitation: {list}");
}
