//! Signed notes as C2SP's `signed-note` has them (<https://c2sp.org/signed-note>), with Ed25519: a text, and below it who
//! signed it. Any program that knows the format can verify one.

use crate::keys::Key;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The algorithm's byte in front of a public key.
const ED25519: u8 = 1;

/// What a line with a signature begins with.
const SIGNED_BY: &str = "— ";

/// Why a note proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoteError {
    /// It is no note.
    #[error("it is no signed note")]
    Malformed,
    /// Others may have signed it.
    #[error("it is not signed by this key")]
    Unsigned,
    /// It says to be signed by this key, and is not.
    #[error("the signature is not that of this key, or what it signs was altered")]
    Forged,
}

/// A text that is no public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no public key: one is NAME+HASH+KEY, as `cityos audit key` prints it")]
pub struct NoKey;

/// Whose signatures are looked for, and what verifies them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key has signed. Other signatures on it are none of ours.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed)? + 1;
        let (text, signatures) = (&note[..end], &note[end + 1..]);
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut signed = Err(NoteError::Unsigned);
        for line in signatures.split('\n') {
            let (name, signature) = line
                .strip_prefix(SIGNED_BY)
                .and_then(|line| line.split_once(' '))
                .ok_or(NoteError::Malformed)?;
            let bytes = BASE64_STANDARD.decode(signature).map_err(|_| NoteError::Malformed)?;
            let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
            if name == self.name && *id == self.id() {
                let signature = Signature::from_slice(signature).map_err(|_| NoteError::Malformed)?;
                self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Forged)?;
                signed = Ok(text);
            }
        }
        signed
    }

    fn encoded(&self) -> [u8; 33] {
        let mut bytes = [ED25519; 33];
        bytes[1..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update("\n").chain_update(self.encoded());
        *hash.finalize().first_chunk().expect("a hash is longer")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, BASE64_STANDARD.encode(self.encoded()))
    }
}

impl FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let (name, rest) = text.split_once('+').ok_or(NoKey)?;
        let (_, encoded) = rest.split_once('+').ok_or(NoKey)?;
        let bytes: [u8; 33] =
            BASE64_STANDARD.decode(encoded).ok().and_then(|b| b.try_into().ok()).ok_or(NoKey)?;
        let (algorithm, bytes) = bytes.split_first_chunk::<1>().ok_or(NoKey)?;
        let key =
            bytes.try_into().ok().and_then(|bytes| VerifyingKey::from_bytes(bytes).ok()).ok_or(NoKey)?;
        let key = PublicKey { name: name.into(), key };
        let fits = *algorithm == [ED25519] && key.to_string() == text && is_name(name);
        if fits { Ok(key) } else { Err(NoKey) }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// What signs.
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
    /// The signer of this name whose Ed25519 seed is `seed`.
    pub fn new(name: String, seed: &Key) -> Self {
        Signer { name, key: SigningKey::from_bytes(seed.bytes()) }
    }

    /// What verifies its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note that a text becomes: lines, the last of which ends like the others.
    pub fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let signature = BASE64_STANDARD.encode([&self.public().id()[..], &signature].concat());
        format!("{text}\n{SIGNED_BY}{} {signature}\n", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in Go's `golang.org/x/mod/sumdb/note`, from which the format comes.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    fn signer(name: &str) -> Signer {
        let seed = BASE64_STANDARD.decode(SEED).unwrap().try_into().unwrap();
        Signer::new(name.into(), &Key::from_bytes(seed))
    }

    #[test]
    fn a_note_is_signed_and_opened_as_in_the_examples_of_others() {
        let note = signer("PeterNeumann").sign(TEXT);
        assert_eq!(note, format!("{TEXT}\n— PeterNeumann {SIGNATURE}\n"));
        assert_eq!(signer("PeterNeumann").public().to_string(), KEY);
        assert_eq!(KEY.parse::<PublicKey>().unwrap().open(&note), Ok(TEXT));
    }

    #[test]
    fn a_key_is_read_only_as_it_is_printed() {
        let with_a_space = "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(with_a_space.parse::<PublicKey>(), Err(NoKey));
        for end in 0..KEY.len() {
            assert_eq!(KEY[..end].parse::<PublicKey>(), Err(NoKey));
        }
        for at in 0..KEY.len() {
            let mut bytes = KEY.as_bytes().to_vec();
            bytes[at] ^= 1;
            let altered = String::from_utf8(bytes).unwrap();
            assert_eq!(altered.parse::<PublicKey>(), Err(NoKey), "{altered}");
        }
    }

    #[test]
    fn an_altered_note_is_not_opened_whichever_byte_it_was() {
        let (key, note) = (signer("PeterNeumann").public(), signer("PeterNeumann").sign(TEXT));
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(altered) = String::from_utf8(bytes) {
                    assert!(key.open(&altered).is_err(), "{altered}");
                }
            }
        }
        for end in 0..note.len() {
            assert!(!note.is_char_boundary(end) || key.open(&note[..end]).is_err());
        }
    }

    #[test]
    fn signatures_of_others_neither_help_nor_harm() {
        let (own, other) = (signer("own"), signer("other"));
        let note = own.sign(TEXT);
        let theirs = other.sign(TEXT).split_once("\n\n").unwrap().1.to_owned();
        assert_eq!(own.public().open(&format!("{note}{theirs}")), Ok(TEXT));
        assert_eq!(own.public().open(&format!("{TEXT}\n{theirs}")), Err(NoteError::Unsigned));
        let forged = theirs.replace("other", "own");
        assert_eq!(own.public().open(&format!("{TEXT}\n{forged}")), Err(NoteError::Unsigned));
        assert_eq!(own.public().open(&note.replace("answer", "Answer")), Err(NoteError::Forged));
    }
}
