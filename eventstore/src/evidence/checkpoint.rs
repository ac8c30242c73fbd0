//! Checkpoints as C2SP's `tlog-checkpoint` has them (<https://c2sp.org/tlog-checkpoint>): which log, how many events,
//! and the root of the tree over them, in a signed note.

use super::note::{NoteError, PublicKey, Signer};
use super::tree::Hash;
use uuid::Uuid;

/// What a signature on it says of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log: also the name of the key that signs.
    pub origin: String,
    /// Over how many events, at least one.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// How the log of this name is called in its checkpoints.
pub fn origin_of(log: Uuid) -> String {
    format!("cityos/log/{log}")
}

impl Checkpoint {
    /// Signed, as it is kept and given away.
    pub fn sign(&self, signer: &Signer) -> String {
        signer.sign(&format!("{}\n{}\n{}\n", self.origin, self.size, self.root))
    }

    /// Reads one that this key has signed.
    pub fn open(note: &str, key: &PublicKey) -> Result<Self, NoteError> {
        Self::read(key.open(note)?).filter(|read| read.origin == key.name()).ok_or(NoteError::Malformed)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, digits, root) = (lines.next()?, lines.next()?, lines.next()?);
        let size = digits.parse().ok().filter(|size: &u64| *size > 0 && size.to_string() == digits)?;
        let read = Checkpoint { origin: origin.into(), size, root: Hash::parse(root)? };
        lines.next().is_none().then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;

    #[test]
    fn a_checkpoint_has_the_form_that_others_read() {
        let signer = Signer::new(origin_of(Uuid::nil()), &Key::from_bytes([7; 32]));
        let checkpoint = Checkpoint { origin: origin_of(Uuid::nil()), size: 42, root: Hash([1; 32]) };
        let note = checkpoint.sign(&signer);
        let text = "cityos/log/00000000-0000-0000-0000-000000000000\n42\n\
                    AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n— cityos/log/00000000-0000-0000-0000-000000000000 ";
        assert!(note.starts_with(text), "{note}");
        assert_eq!(Checkpoint::open(&note, &signer.public()), Ok(checkpoint));
    }

    #[test]
    fn what_is_signed_but_no_checkpoint_of_this_log_is_refused() {
        let signer = Signer::new("own".into(), &Key::from_bytes([7; 32]));
        let root = Hash([1; 32]);
        for text in [
            "own\n42\n".into(),
            format!("own\n42\n{root}\nmore\n"),
            format!("own\n042\n{root}\n"),
            format!("own\n0\n{root}\n"),
            format!("own\n-1\n{root}\n"),
            format!("other\n42\n{root}\n"),
            format!("own\n42\n{}\n", &root.to_string()[4..]),
        ] {
            let refused = Checkpoint::open(&signer.sign(&text), &signer.public());
            assert_eq!(refused, Err(NoteError::Malformed), "{text}");
        }
    }
}
