//! A wire to an admin endpoint that can be cut when a write is on it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is passed on, and its answer is lost.
    Answer,
    /// The same, and nothing is passed on from then on.
    All,
    /// It is lost itself.
    Write,
    /// Nothing, but every tag behind the body of an answer is lost, as some proxies do.
    Tag,
}

/// A wire; whoever comes to its port is passed on.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    to: u16,
    cut: Mutex<Option<Cut>>,
    dead: AtomicBool,
    over: AtomicBool,
    writes: AtomicU64,
}

impl Wire {
    /// A wire to a port of loopback that cuts the next write so.
    pub fn to(port: u16, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let own = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(State {
            to: port,
            cut: Mutex::new(Some(cut)),
            dead: AtomicBool::new(false),
            over: AtomicBool::new(false),
            writes: AtomicU64::new(0),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), state) = (stream, shared.clone()) else { continue };
                std::thread::spawn(move || {
                    let _ = pass(stream, own, &state);
                });
            }
        });
        Self { port: own, state }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many writes were on it.
    pub fn writes(&self) -> u64 {
        self.state.writes.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees that it is over.
        let _ = TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), Duration::from_secs(1));
    }
}

fn pass(mut client: TcpStream, own: u16, state: &State) -> std::io::Result<()> {
    if state.dead.load(Ordering::Relaxed) {
        return Ok(());
    }
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = request(&mut client)?;
    let write = request.starts_with(b"PATCH ");
    let cut = state.cut.lock().expect("nobody panicked").take_if(|cut| write && *cut != Cut::Tag);
    let tagless = *state.cut.lock().expect("nobody panicked") == Some(Cut::Tag);
    state.writes.fetch_add(u64::from(write), Ordering::Relaxed);
    if cut == Some(Cut::Write) {
        return Ok(());
    }
    // Caddy answers to its own address only.
    let text =
        String::from_utf8_lossy(&request).replacen(&format!("127.0.0.1:{own}"), &format!("127.0.0.1:{}", state.to), 1);
    let text = if tagless { text.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1) } else { text };
    let mut server = TcpStream::connect(("127.0.0.1", state.to))?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    server.write_all(text.as_bytes())?;
    if tagless {
        let mut answer = String::new();
        server.read_to_string(&mut answer)?;
        return client.write_all(untagged(&answer).as_bytes());
    }
    let mut buffer = [0; 4096];
    loop {
        let n = server.read(&mut buffer)?;
        if let Some(cut) = cut {
            state.dead.store(cut == Cut::All, Ordering::Relaxed);
            return Ok(());
        }
        if n == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..n])?;
    }
}

/// An answer in one piece, with nothing behind its body.
fn untagged(answer: &str) -> String {
    let Some((head, mut rest)) = answer.split_once("\r\n\r\n").filter(|(head, _)| head.contains("chunked")) else {
        return answer.to_owned();
    };
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        body += &chunk[..size];
        match chunk.get(size + 2..).filter(|_| size > 0) {
            Some(next) => rest = next,
            None => break,
        }
    }
    let kept = head.lines().filter(|line| !line.starts_with("Transfer-Encoding") && !line.starts_with("Trailer"));
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", kept.collect::<Vec<_>>().join("\r\n"), body.len())
}

/// A whole request, as long as its head says.
fn request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut whole, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = client.read(&mut buffer)?;
        whole.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&whole);
        let Some((head, body)) = text.split_once("\r\n\r\n").filter(|_| n > 0) else {
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(whole);
        }
    }
}
