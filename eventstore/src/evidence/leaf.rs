//! What the tree has of an event: the hash over its bytes as they are stored, and by what the event is known, so that
//! one that is gone can be named. `schemas/log.md` describes both for whoever wants to do the same elsewhere.

use super::tree::Hash;
use crate::stored::{Stored, StoredEvent};
use uuid::Uuid;

/// Which encoding of an event is hashed: its first part.
const ENCODING: &[u8] = b"event/1";

/// How many bytes a leaf is kept in.
pub const LEAF_BYTES: usize = 72;

/// An event in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Where it is in the log.
    pub position: u64,
    /// In whose partition.
    pub partition: Uuid,
    /// Its id.
    pub event: Uuid,
    /// Of everything that is stored of it.
    pub hash: Hash,
}

impl Leaf {
    /// Of an event.
    pub fn of(event: &StoredEvent) -> Self {
        Leaf::with(&event.borrowed(), &mut Vec::new())
    }

    /// The same, using `bytes` again that were allocated once.
    pub fn with(event: &Stored<'_>, bytes: &mut Vec<u8>) -> Self {
        bytes.clear();
        encode(event, bytes);
        Leaf {
            position: event.position,
            partition: event.partition,
            event: event.event_id,
            hash: Hash::of_leaf(bytes),
        }
    }

    /// As it is kept.
    pub fn to_bytes(self) -> [u8; LEAF_BYTES] {
        let mut bytes = [0; LEAF_BYTES];
        bytes[..8].copy_from_slice(&self.position.to_be_bytes());
        bytes[8..24].copy_from_slice(self.partition.as_bytes());
        bytes[24..40].copy_from_slice(self.event.as_bytes());
        bytes[40..].copy_from_slice(&self.hash.0);
        bytes
    }

    /// The inverse of [`Leaf::to_bytes`].
    pub fn from_bytes(bytes: &[u8; LEAF_BYTES]) -> Self {
        let part = |from: usize| *bytes[from..].first_chunk().expect("a leaf has that many");
        Leaf {
            position: u64::from_be_bytes(*bytes.first_chunk().expect("a leaf has that many")),
            partition: Uuid::from_bytes(part(8)),
            event: Uuid::from_bytes(part(24)),
            hash: Hash(*bytes.last_chunk().expect("a leaf has that many")),
        }
    }
}

/// Everything that is stored of an event, in the order of its columns, each behind its length.
fn encode(event: &Stored<'_>, bytes: &mut Vec<u8>) {
    let parts: [&[u8]; 13] = [
        ENCODING,
        &event.position.to_be_bytes(),
        event.partition.as_bytes(),
        event.kind.as_bytes(),
        event.id.as_bytes(),
        &event.version.to_be_bytes(),
        event.event_id.as_bytes(),
        event.type_name.as_bytes(),
        &u64::from(event.schema_version).to_be_bytes(),
        &event.at.to_be_bytes(),
        &event.recorded_at.to_be_bytes(),
        event.body.as_bytes(),
        event.meta.as_bytes(),
    ];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::ids::EventId;
    use cityos_domain::log::{Position, Version};

    fn event() -> StoredEvent {
        StoredEvent {
            position: Position(3),
            partition: Uuid::from_u128(1),
            kind: "order".into(),
            id: Uuid::from_u128(2),
            version: Version(1),
            event_id: EventId(Uuid::from_u128(4)),
            type_name: "order.declined".into(),
            schema_version: 1,
            at: -5,
            recorded_at: 1_700_000_000_000_000,
            body: r#"{"code":"ä"}"#.into(),
            meta: "{}".into(),
        }
    }

    /// The example in `schemas/log.md`.
    #[test]
    fn an_event_is_encoded_as_it_is_described() {
        let mut bytes = Vec::new();
        encode(&event().borrowed(), &mut bytes);
        let length = |length: u8| [0, 0, 0, 0, 0, 0, 0, length];
        let id = |last: u8| [&length(16)[..], &[0; 15], &[last]].concat();
        let number = |number: i64| [length(8), number.to_be_bytes()].concat();
        let text = |text: &str| [&length(text.len() as u8)[..], text.as_bytes()].concat();
        let described = [
            text("event/1"),
            number(3),
            id(1),
            text("order"),
            id(2),
            number(1),
            id(4),
            text("order.declined"),
            number(1),
            number(-5),
            number(1_700_000_000_000_000),
            text(r#"{"code":"ä"}"#),
            text("{}"),
        ];
        assert_eq!(bytes, described.concat());
        let leaf = Leaf::of(&event());
        assert_eq!(Leaf::from_bytes(&leaf.to_bytes()), leaf);
        let described = include_str!("../../../schemas/log.md");
        assert!(described.contains(&leaf.hash.to_string()), "it says another hash than {}", leaf.hash);
    }

    #[test]
    fn whatever_is_altered_of_an_event_alters_its_hash() {
        let altered: [fn(&mut StoredEvent); 12] = [
            |event| event.position.0 += 1,
            |event| event.partition = Uuid::nil(),
            |event| event.kind = "Order".into(),
            |event| event.id = Uuid::nil(),
            |event| event.version.0 += 1,
            |event| event.event_id.0 = Uuid::nil(),
            |event| event.type_name.push('.'),
            |event| event.schema_version += 1,
            |event| event.at += 1,
            |event| event.recorded_at -= 1,
            |event| event.body.push(' '),
            |event| event.meta.insert(1, ' '),
        ];
        for (number, alter) in altered.iter().enumerate() {
            let mut other = event();
            alter(&mut other);
            assert_ne!(Leaf::of(&other).hash, Leaf::of(&event()).hash, "number {number}");
        }
        let mut shifted = event();
        (shifted.body, shifted.meta) = (r#"{"code":"ä"}{"#.into(), "}".into());
        assert_ne!(Leaf::of(&shifted).hash, Leaf::of(&event()).hash);
    }
}
