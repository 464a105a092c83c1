//! Certificates of the tests' own.

use std::process::{Command, Stdio};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate and its key, PEM.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate.
    pub pem: String,
    /// Its key.
    pub key: String,
}

impl Certificate {
    /// One for these names that is valid for as long as anybody runs this.
    pub fn new(names: &[&str]) -> Self {
        Self::until(names, 2099)
    }

    /// One that ends with the first day of a year.
    pub fn until(names: &[&str], year: i32) -> Self {
        Self::between(names, 2020, year)
    }

    /// One that is valid between the first days of two years.
    pub fn between(names: &[&str], from: i32, until: i32) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("these are names");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&key).expect("a certificate can be signed").pem();
        Self { pem, key: key.serialize_pem() }
    }

    /// Three that must not be served, each with what is said of it.
    pub fn unusable() -> [(Self, &'static str); 3] {
        let other = Self::new(&["a.example"]);
        let torn = Self { pem: other.pem, key: Self::new(&["a.example"]).key };
        [
            (Self::until(&["a.example"], 2021), "the certificate expired "),
            (torn, "the key does not belong to the certificate"),
            (Self { pem: "nothing".into(), key: other.key }, "there is no certificate in it"),
        ]
    }

    /// Both in one text, as HAProxy loads them.
    pub fn bundle(&self) -> String {
        format!("{}{}", self.pem, self.key)
    }

    /// Whether this is the one that [`seen`] has seen.
    pub fn is(&self, seen: Option<&String>) -> bool {
        let pem: String = self.pem.split_whitespace().collect();
        seen.is_some_and(|seen| pem.starts_with(seen.as_str()))
    }

    /// A line of the key that no output may hold.
    pub fn secret(&self) -> String {
        self.key.lines().nth(1).expect("a key has a line").to_owned()
    }
}

/// The certificate that a client sees at a port of loopback with these options of `openssl s_client`, without blanks; `None` where it sees none.
pub fn seen(port: u16, options: &[&str]) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}")]).args(options);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = text.find("-----END CERTIFICATE-----")?;
    Some(text[start..end].split_whitespace().collect())
}
