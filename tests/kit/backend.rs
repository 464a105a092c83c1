//! An HTTP node of the tests' own, and clients that count what fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificate::Certificate;

/// A node that keeps connections and says its name. It is sick as long as its file is there.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
}

impl Backend {
    /// A node named `name`, sick while `sick` exists.
    pub fn start(name: &str, sick: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (name, stop, count) = (name.to_owned(), over.clone(), served.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (name, sick, count, stop) = (name.clone(), sick.clone(), count.clone(), stop.clone());
                std::thread::spawn(move || serve(stream, &name, &sick, &count, &stop));
            }
        });
        Self { address, over, served }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many requests it has answered, checks aside.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees that it is over.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn serve(mut stream: TcpStream, name: &str, sick: &Path, count: &AtomicU64, stop: &AtomicBool) {
    let _ = stream.set_nodelay(true);
    let Ok(clone) = stream.try_clone() else { return };
    let mut reader = BufReader::new(clone);
    loop {
        let mut first = String::new();
        if !matches!(reader.read_line(&mut first), Ok(n) if n > 0) {
            return;
        }
        let mut line = String::new();
        while matches!(reader.read_line(&mut line), Ok(n) if n > 2) {
            line.clear();
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let check = first.contains(" /health");
        if !check {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let status = if check && sick.exists() { "503 Service Unavailable" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// How a client uses its connections.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// One for all requests, and none is tried again.
    KeepAlive,
    /// One for each request.
    Single,
    /// One for all requests; a request whose old connection breaks is sent again on a new one, as browsers do.
    Retrying,
}

/// Clients at work until they are asked how it went.
#[derive(Debug)]
pub struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(u64, Vec<String>)>>,
}

impl Load {
    /// Starts clients of these sorts against a port of loopback.
    pub fn start(port: u16, clients: &[Client]) -> Self {
        Self::with(&Server { port, tls: None }, clients)
    }

    /// The same over TLS, for clients that trust these certificates and no other, and ask for this name.
    pub fn trusting(certificates: &[&Certificate], name: &str, port: u16, clients: &[Client]) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let der = CertificateDer::from_pem_slice(certificate.pem.as_bytes()).expect("a certificate");
            roots.add(der).expect("it can be trusted");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions are there").with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Self::with(&Server { port, tls: Some((Arc::new(config), name)) }, clients)
    }

    fn with(server: &Server, clients: &[Client]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = clients.iter().map(|client| {
            let (client, over, server) = (*client, over.clone(), server.clone());
            std::thread::spawn(move || work(&server, client, &over))
        });
        Self { clients: clients.collect(), over }
    }

    /// How many requests went well, and what went wrong with the others.
    pub fn stop(self) -> (u64, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        let mut all = (0, Vec::new());
        for client in self.clients {
            let (good, bad) = client.join().expect("a client ends");
            all.0 += good;
            all.1.extend(bad);
        }
        all
    }
}

/// Whom clients come to.
#[derive(Clone)]
struct Server {
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Server {
    fn connect(&self) -> std::io::Result<BufReader<Box<dyn Stream>>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        let Some((config, name)) = &self.tls else { return Ok(BufReader::new(Box::new(stream))) };
        let client = ClientConnection::new(config.clone(), name.clone()).map_err(std::io::Error::other)?;
        Ok(BufReader::new(Box::new(StreamOwned::new(client, stream))))
    }
}

fn work(server: &Server, client: Client, over: &AtomicBool) -> (u64, Vec<String>) {
    let (mut good, mut bad) = (0, Vec::new());
    let mut kept: Option<BufReader<Box<dyn Stream>>> = None;
    while !over.load(Ordering::Relaxed) {
        let old = kept.is_some();
        let mut outcome = request(server, &mut kept);
        if outcome.is_err() && old && matches!(client, Client::Retrying) {
            kept = None;
            outcome = request(server, &mut kept);
        }
        match outcome {
            Ok(200) => good += 1,
            Ok(status) => bad.push(format!("{client:?}: status {status}")),
            Err(error) => {
                bad.push(format!("{client:?}: {error}"));
                kept = None;
            }
        }
        if matches!(client, Client::Single) {
            kept = None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    (good, bad)
}

/// One request. A connection that the server said it would close is not used again.
fn request(server: &Server, kept: &mut Option<BufReader<Box<dyn Stream>>>) -> std::io::Result<u16> {
    if kept.is_none() {
        *kept = Some(server.connect()?);
    }
    let reader = kept.as_mut().expect("just made");
    reader.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let (mut status, mut length, mut close) = (0, 0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ").or_else(|| line.strip_prefix("http/1.0 ")) {
            status = rest.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0);
        } else if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.parse().unwrap_or(0);
        } else if line == "connection: close" {
            close = true;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if close {
        *kept = None;
    }
    Ok(status)
}
