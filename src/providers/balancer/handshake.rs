//! What is really served: the certificate that a client meets at an address. The handshake ends once it is known; nothing is asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::certificate::Certificate;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The certificate at `address`, for a client that asks for `name`; `None` where nobody tells one, or not in TLS 1.2 or 1.3.
pub async fn certificate(address: SocketAddr, name: Option<String>) -> Option<Certificate> {
    let look = tokio::task::spawn_blocking(move || look(address, name));
    tokio::time::timeout(2 * PATIENCE, look).await.ok()?.ok()?
}

fn look(address: SocketAddr, name: Option<String>) -> Option<Certificate> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let witness = Arc::new(Witness { provider: Arc::clone(&provider), chain: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::<Witness>::clone(&witness);
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // An address is asked for by no name.
    let anonymous = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let name = name.and_then(|name| ServerName::try_from(name).ok()).unwrap_or(anonymous);
    let mut client = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    // It always ends with the witness's refusal; what was seen by then is what counts.
    while client.is_handshaking() && client.complete_io(&mut stream).is_ok() {}
    let chain = witness.chain.lock().unwrap_or_else(PoisonError::into_inner);
    Certificate::of(&chain).ok()
}

/// Writes down the certificates that it is shown, and trusts none: no byte but those of the handshake is ever sent.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(leaf).chain(issuers).map(|one| one.clone().into_owned());
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = shown.collect();
        Err(Error::General("seen".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("seen".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("seen".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
