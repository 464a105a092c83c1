//! Certificates of the tests' own.

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
        let key = KeyPair::generate().expect("a key can be made");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("these are names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let pem = params.self_signed(&key).expect("a certificate can be signed").pem();
        Self { pem, key: key.serialize_pem() }
    }

    /// Both in one text, as HAProxy loads them.
    pub fn bundle(&self) -> String {
        format!("{}{}", self.pem, self.key)
    }

    /// A line of the key that no output may hold.
    pub fn secret(&self) -> String {
        self.key.lines().nth(1).expect("a key has a line").to_owned()
    }
}
