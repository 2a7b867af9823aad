//! A real Chromium, driven through chromedriver as a person's hand would.
//!
//! The protocol (WebDriver) is JSON over HTTP, which the tests speak already:
//! the few commands needed here are fewer lines than a client crate would bring
//! dependencies, and the browser's own tools (console, network, emulation) are
//! part of it.

#![expect(clippy::unwrap_used, reason = "a browser that does not answer as it should stops the test")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::eventually;
use super::guarded::{Guarded, free_port, run};
use super::run::{Folder, shared};

/// A phone's and a desktop's window.
pub(crate) const PHONE: (u32, u32) = (390, 844);
pub(crate) const DESKTOP: (u32, u32) = (1280, 900);

/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

#[derive(Serialize, Deserialize)]
struct Driver {
    port: u16,
    version: String,
}

fn start(folder: &Folder) -> Result<Driver, String> {
    let version = run(Command::new("chromium").arg("--version"))?;
    let port = free_port();
    let guarded = Guarded::at(folder, "chromedriver");
    let argument = format!("--port={port}");
    guarded.start(folder.watch, "TERM", &["chromedriver", &argument, "--log-level=WARNING"])?;
    guarded.until(Duration::from_secs(60), || {
        std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).is_ok()
    })?;
    Ok(Driver { port, version: version.trim().to_owned() })
}

/// One window of one browser with a profile of its own.
pub(crate) struct Browser {
    client: reqwest::Client,
    session: String,
    scripts: bool,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a window. Without `scripts` the browser runs none of any page.
    pub(crate) async fn open((width, height): (u32, u32), phone: bool, scripts: bool) -> Self {
        static CELL: OnceLock<Driver> = OnceLock::new();
        let driver = shared(&CELL, "chromedriver", start).await;
        println!("{}", driver.version);
        let profile = tempfile::tempdir().unwrap();
        let mut args: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-proxy-server",
            // The browser ends with whoever drives it, also when that is killed.
            "--remote-debugging-pipe",
        ]
        .map(str::to_owned)
        .into();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        args.push(format!("--window-size={width},{height}"));
        let mut options = json!({ "args": args, "binary": "/usr/bin/chromium", "prefs": {
            "credentials_enable_service": false,
            "profile.password_manager_leak_detection": false,
        } });
        if phone {
            let metrics =
                json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        if !scripts {
            options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "pageLoad": 30_000, "script": 30_000, "implicit": 10_000 },
        } } });
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{}/session", driver.port);
        let made = answered(client.post(&base).json(&asked)).await;
        let session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        Self { client, session, scripts, _profile: profile }
    }

    /// Ends the browser. One that is not closed ends with the test run.
    pub(crate) async fn close(self) {
        answered(self.client.delete(&self.session)).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        answered(self.client.post(format!("{}/{path}", self.session)).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        answered(self.client.get(format!("{}/{path}", self.session))).await
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// The path of the page shown.
    pub(crate) async fn path(&self) -> String {
        let url = self.get("url").await;
        let url: reqwest::Url = url.as_str().unwrap().parse().unwrap();
        url.path().to_owned()
    }

    pub(crate) async fn title(&self) -> String {
        self.get("title").await.as_str().unwrap().to_owned()
    }

    async fn find(&self, css: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": css })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// The text of the first element, as it is shown.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        self.get(&format!("element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("element/{element}/clear"), json!({})).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Clicks on what leads to another page, and waits until that is there: a
    /// form is sent a moment after the click.
    pub(crate) async fn click(&self, css: &str) {
        let old = self.find("html").await;
        let element = self.find(css).await;
        if self.scripts {
            self.post(&format!("element/{element}/click"), json!({})).await;
        } else {
            // chromedriver waits for a script of its own after a tap, in vain.
            self.post(&format!("element/{element}/value"), json!({ "text": "\u{e007}" })).await;
        }
        let gone = format!("{}/element/{old}/name", self.session);
        eventually("the next page is there", Duration::from_secs(30), async || {
            let answer = self.client.get(&gone).send().await.unwrap();
            (!answer.status().is_success()).then_some(())
        })
        .await;
    }

    /// Presses the tabulator; the `id` or else the text of what has the focus.
    pub(crate) async fn tab(&self) -> String {
        let key =
            json!([{ "type": "keyDown", "value": "\u{e004}" }, { "type": "keyUp", "value": "\u{e004}" }]);
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": key }] }))
            .await;
        let script = "const e = document.activeElement; return e === document.body ? '' : e.id || e.textContent.trim()";
        self.run(script).await.as_str().unwrap().to_owned()
    }

    /// What a script of the test's own returns; the page's policy does not bind it.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The window's size and colours, as the device would have them.
    pub(crate) async fn look(&self, (width, height): (u32, u32), mobile: bool, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.tool("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme =
            json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.tool("Emulation.setEmulatedMedia", json!({ "features": scheme })).await;
    }

    async fn tool(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// What the console has said since the last time.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.post("se/log", json!({ "type": "browser" })).await;
        lines.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }

    /// Every address that the pages have asked for since the last time.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let sent = self.sent().await;
        sent.iter().map(|request| request["url"].as_str().unwrap().to_owned()).collect()
    }

    /// What each request since the last time said of the page that it came from.
    pub(crate) async fn referrers(&self) -> Vec<Option<String>> {
        let sent = self.sent().await;
        let referrer = |request: &Value| {
            let headers = request["headers"].as_object()?;
            headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("referer"))
                .map(|(_, value)| value.to_string())
        };
        sent.iter().map(referrer).collect()
    }

    async fn sent(&self) -> Vec<Value> {
        let lines = self.post("se/log", json!({ "type": "performance" })).await;
        let lines = lines.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap());
        let events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let sent = sent.map(|mut event| event["message"]["params"].take());
        // The browser's own page that a window begins with is none of ours.
        let ours =
            sent.filter(|sent| sent["documentURL"].as_str().is_some_and(|url| url.starts_with("http")));
        ours.map(|mut sent| sent["request"].take()).collect()
    }

    /// Keeps a picture of the whole page among the artefacts of the build.
    pub(crate) async fn picture(&self, name: &str) -> PathBuf {
        let shot = self.tool("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
        path
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    assert!(status.is_success(), "the browser refuses: {}", body["value"]["message"]);
    body["value"].take()
}
