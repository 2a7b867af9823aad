//! What `POST /v1/check` costs beside an axum handler that does nothing, and
//! beside one that reads one row by its primary key, over the same kind of
//! connection and taking turns.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use sha2::{Digest as _, Sha256};
use tenantry::domain::activation::LinkKey;
use tenantry::engine::questions::Questions;
use tenantry::engine::{Engine, RootNamespaces};
use tenantry::store::Store;
use tenantry::web::{Metrics, Outside, Programs, Tokens, serve, site};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Numbers, at};

const ROUNDS: usize = 5_000;
const WARM: usize = 500;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// One connection that is kept.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn to(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, CancellationToken::new()));
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![] }
    }

    /// Sends a request; how long its answer takes.
    async fn call(&mut self, request: &str) -> Duration {
        let start = Instant::now();
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            self.stream.read_buf(&mut self.buffer).await.unwrap();
            let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap().to_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let (_, rest) = text.split_once("content-length: ").unwrap();
            let length: usize = rest.split("\r\n").next().unwrap().parse().unwrap();
            if self.buffer.len() >= head + 4 + length {
                return start.elapsed();
            }
        }
    }
}

pub(super) async fn measure(questions: &Questions, devices: u64) {
    let store = questions.store().clone();
    let key = LinkKey::new(vec![7; 32]).unwrap();
    let engine = Engine::new(store.clone(), "bench", RootNamespaces::Any, key, [3; 32]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(TOKEN.as_bytes()));
    std::fs::write(&file, format!("bench:{digest}")).unwrap();
    let tokens = Tokens::read(Some(file)).await.unwrap();
    let programs = Programs::new(engine.clone(), tokens, Metrics::default(), None);
    let mut checks = Connection::to(site(engine, Outside::default(), programs)).await;
    let row = async |State(store): State<Store>, Path(device): Path<String>| {
        format!("{:?}", store.holder_of(&device).await.unwrap())
    };
    let plain = Router::new()
        .route("/nothing", get(async || "nothing"))
        .route("/row/{device}", get(row))
        .with_state(store);
    let mut plain = Connection::to(plain).await;

    let mut numbers = Numbers(88_172_645_463_325_252);
    let (mut nothing, mut rows, mut checked) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS + WARM {
        let number = numbers.below(devices);
        let account = (100 + number % 900) * 20 + numbers.below(20);
        let body = format!(
            r#"{{"account":"user-{account}","operation":"operate","resource":"device","device":"device-{number:08}"}}"#
        );
        let check = format!(
            "POST /v1/check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let took = [
            plain.call("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await,
            plain.call(&format!("GET /row/device-{number:08} HTTP/1.1\r\nHost: x\r\n\r\n")).await,
            checks.call(&check).await,
        ];
        if round >= WARM {
            nothing.push(took[0]);
            rows.push(took[1]);
            checked.push(took[2]);
        }
    }
    println!("{devices} devices over HTTP, {ROUNDS} rounds: p50 and p99 in microseconds");
    let [row50, row99] = [0.5, 0.99].map(|share| at(&mut rows, share));
    for (what, times) in [("nothing", &mut nothing), ("POST /v1/check", &mut checked)] {
        let [p50, p99] = [0.5, 0.99].map(|share| at(times, share));
        println!(
            "  {what:<20} {p50:>8.1} {p99:>8.1}  {:.2} and {:.2} times the row",
            p50 / row50,
            p99 / row99
        );
    }
    println!("  {:<20} {row50:>8.1} {row99:>8.1}", "one row by its key");
}
