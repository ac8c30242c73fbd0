//! Positions as clients see them: opaque, so that they tell nothing about anyone else's activity.

use crate::keys::{Key, KeyError, KeyStore, Secret};
use cityos_domain::log::Position;

const CONTEXT: &[&[u8]] = &[b"position"];

/// Makes and reads position tokens.
#[derive(Clone, Debug)]
pub struct PositionTokens {
    key: Key,
}

/// A text that is no position token of this installation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a position that this system gave out")]
pub struct ForeignToken;

impl PositionTokens {
    /// With the key of this installation.
    pub async fn of(keys: &dyn KeyStore) -> Result<Self, KeyError> {
        Ok(PositionTokens { key: keys.secret(Secret::PositionTokens).await? })
    }

    /// The token of a position: base64url. A repeated answer has the token it had the first time.
    pub fn encode(&self, position: Position) -> String {
        self.key.encrypt_alike(CONTEXT, &position.0.to_be_bytes())
    }

    /// The position of a token.
    pub fn decode(&self, token: &str) -> Result<Position, ForeignToken> {
        let bytes = self.key.decrypt(CONTEXT, token).ok_or(ForeignToken)?;
        let bytes: [u8; 8] = bytes.try_into().map_err(|_| ForeignToken)?;
        Ok(Position(u64::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_installation_gave_out_is_a_position() {
        let tokens = PositionTokens { key: Key::random() };
        let token = tokens.encode(Position(4711));
        assert_eq!(tokens.decode(&token), Ok(Position(4711)));
        assert_eq!(token, tokens.encode(Position(4711)));
        assert_ne!(token, tokens.encode(Position(4712)));

        let others = PositionTokens { key: Key::random() }.encode(Position(4711));
        let another_purpose = tokens.key.encrypt(&[b"cursor"], &4711_u64.to_be_bytes());
        let shortened = &token[..token.len() - 1];
        for foreign in ["", "4711", "é", &others, &another_purpose, shortened] {
            assert_eq!(tokens.decode(foreign), Err(ForeignToken), "{foreign}");
        }
    }
}
