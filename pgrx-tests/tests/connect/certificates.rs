//! Certificates, made for a test.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, SubjectAlternativeName};
use openssl::x509::{CrlNumber, X509, X509Builder, X509CrlBuilder, X509Name, X509RevokedBuilder};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 24 * 60 * 60;

/// A key and its certificate.
pub struct Identity {
    key: PKey<Private>,
    certificate: X509,
}

impl Identity {
    /// One that signs others.
    pub fn authority(name: &str) -> Self {
        let key = new_key();
        let mut builder = builder(name, &key, 30);
        builder.set_issuer_name(&subject(name)).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// One of a host or a user, good for as many days; those before today if they are negative.
    pub fn signed(&self, name: &str, days: i64) -> Self {
        let key = new_key();
        let mut builder = builder(name, &key, days);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// One as PostgreSQL's documentation has it made: the name is in the subject alone.
    pub fn signed_by_subject(&self, name: &str) -> Self {
        let key = new_key();
        let mut builder = builder(name, &key, 30);
        builder.set_version(0).unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// A revocation of another certificate, which it signed.
    pub fn revocation(&self, other: &Self) -> String {
        let context = X509::builder().unwrap();
        let context = context.x509v3_context(Some(&self.certificate), None);
        let issuer = AuthorityKeyIdentifier::new().issuer(true).build(&context).unwrap();
        let number = CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap().build().unwrap();
        let mut revoked = X509RevokedBuilder::new().unwrap();
        revoked.set_serial_number(other.certificate.serial_number()).unwrap();
        revoked.set_revocation_date(&at(-1)).unwrap();
        let mut list = X509CrlBuilder::new().unwrap();
        list.set_issuer_name(self.certificate.subject_name()).unwrap();
        list.set_last_update(&at(-1)).unwrap();
        list.set_next_update(&at(30)).unwrap();
        list.append_extension(issuer).unwrap();
        list.append_extension(number).unwrap();
        list.add_revoked(revoked.build()).unwrap();
        list.sign(&self.key, MessageDigest::sha256()).unwrap();
        String::from_utf8(list.build().unwrap().to_pem().unwrap()).unwrap()
    }

    pub fn certificate(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    pub fn key(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// The key, encrypted.
    pub fn locked_key(&self, password: &str) -> String {
        let pem = self.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password.as_bytes());
        String::from_utf8(pem.unwrap()).unwrap()
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn subject(name: &str) -> X509Name {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    subject.build()
}

/// This many days from now.
fn at(day: i64) -> Asn1Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    Asn1Time::from_unix(now + day * DAY).unwrap()
}

fn builder(name: &str, key: &PKey<Private>, days: i64) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut number = BigNum::new().unwrap();
    number.pseudo_rand(127, openssl::bn::MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&number.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject(name)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&at(days.min(0) - 1)).unwrap();
    builder.set_not_after(&at(days)).unwrap();
    builder
}
