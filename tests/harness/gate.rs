//! A door in front of a part, for tests of what happens while it is away.
//!
//! The part itself is shared and stays up; its gate belongs to one test and
//! forwards to it, or refuses every connection and breaks those that were open.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::guarded::free_port;
use super::run::or_panic;

pub(crate) struct Gate {
    port: u16,
    target: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: bool,
    streams: Vec<TcpStream>,
}

impl Gate {
    /// An open gate in front of a port on loopback.
    pub(crate) fn to(target: u16) -> Self {
        let gate = Self { port: free_port(), target, state: Arc::default() };
        gate.open();
        gate
    }

    /// Where to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Refuses connections and breaks the open ones.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        for stream in state.streams.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        // Returns once the listener is gone: from then on nobody is let in.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets everybody through again.
    pub(crate) fn open(&self) {
        let (state, target) = (Arc::clone(&self.state), self.target);
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port));
        let listener = or_panic(bound.map_err(|e| format!("gate on port {}: {e}", self.port)));
        lock(&state).open = true;
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut now = lock(&state);
                if !now.open {
                    break;
                }
                if let Ok(stream) = stream {
                    pass(stream, target, &mut now.streams);
                }
            }
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if lock(&self.state).open {
            self.close();
        }
    }
}

fn pass(near: TcpStream, target: u16, streams: &mut Vec<TcpStream>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
        return;
    };
    let ways = [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())];
    streams.extend([near, far]);
    for way in ways {
        if let (Ok(from), Ok(to)) = way {
            thread::spawn(move || carry(from, to));
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..count) else { break };
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
