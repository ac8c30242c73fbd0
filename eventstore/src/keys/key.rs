//! A key and what is done with it: authenticated encryption (XChaCha20-Poly1305) and keyed hashing (BLAKE3).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::fmt;

/// The first byte of every ciphertext: which cipher made it.
const XCHACHA20_POLY1305: u8 = 1;

const NONCE_BYTES: usize = 24;

/// A secret key of 256 bits. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A new key from the operating system's random bytes.
    pub fn random() -> Self {
        Key(random())
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Key(bytes)
    }

    /// Its bytes, to be kept or given to another algorithm.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts, bound to `context`. Base64url; the same text never gives the same ciphertext twice.
    pub fn encrypt(&self, context: &[&[u8]], plain: &[u8]) -> String {
        self.encrypt_with(random(), context, plain)
    }

    /// Encrypts like [`Key::encrypt`], but the same text always to the same ciphertext: for what may be seen to be
    /// the same again.
    pub fn encrypt_alike(&self, context: &[&[u8]], plain: &[u8]) -> String {
        let hash = self.hash(&[b"nonce", &framed(context), plain]);
        let nonce = *hash.first_chunk().expect("a hash is longer than a nonce");
        self.encrypt_with(nonce, context, plain)
    }

    fn encrypt_with(&self, nonce: [u8; NONCE_BYTES], context: &[&[u8]], plain: &[u8]) -> String {
        let payload = Payload { msg: plain, aad: &framed(context) };
        let cipher = XChaCha20Poly1305::new(&self.0.into());
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), payload).expect("texts are far below the cipher's limit");
        BASE64_URL_SAFE_NO_PAD.encode([&[XCHACHA20_POLY1305][..], &nonce, &sealed].concat())
    }

    /// The inverse of [`Key::encrypt`] and [`Key::encrypt_alike`]. `None` if another key or context made it, or it
    /// was altered.
    pub fn decrypt(&self, context: &[&[u8]], ciphertext: &str) -> Option<Vec<u8>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(ciphertext).ok()?;
        let (cipher, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *cipher != XCHACHA20_POLY1305 {
            return None;
        }
        let payload = Payload { msg: sealed, aad: &framed(context) };
        XChaCha20Poly1305::new(&self.0.into()).decrypt(&XNonce::from(*nonce), payload).ok()
    }

    /// A hash of these parts that nobody without the key can make.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        blake3::keyed_hash(&self.0, &framed(parts)).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The parts in one, each behind its length, so that no two lists of parts look alike.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let length = |part: &&[u8]| (part.len() as u64).to_be_bytes();
    parts.iter().flat_map(|part| length(part).into_iter().chain(part.iter().copied())).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
