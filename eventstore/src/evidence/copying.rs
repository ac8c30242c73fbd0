//! Evidence copied to another place, as it is: whether it holds is for others to find out there. What was put aside stays
//! where it is.

use super::records::{NOTES_AT_ONCE, TILES_AT_ONCE, Transaction};
use super::{EvidenceError, Place};

/// Copies what is there to where nothing is, or a beginning of it: all of it or nothing. Says how many checkpoints there are,
/// and how many of them were copied now.
pub async fn copy(from: &Place, to: &Place) -> Result<(u64, u64), EvidenceError> {
    let other = || EvidenceError::NoBeginning(to.to_string());
    let Some(mut source) = from.look().await? else {
        return if to.is_there().await? && !is_empty(to).await? { Err(other()) } else { Ok((0, 0)) };
    };
    let mut target = to.open().await?.write().await?;
    if !copy_tiles(&mut *source, &mut *target).await? {
        return Err(other());
    }
    let copied = copy_notes(&mut *source, &mut *target).await?.ok_or_else(other)?;
    target.commit().await?;
    Ok(copied)
}

async fn is_empty(place: &Place) -> Result<bool, EvidenceError> {
    let Some(mut there) = place.look().await? else { return Ok(true) };
    Ok(there.last_tile().await?.is_none() && there.last_note().await?.is_none())
}

/// Says whether what the target had was a beginning.
async fn copy_tiles(
    source: &mut dyn Transaction,
    target: &mut dyn Transaction,
) -> Result<bool, EvidenceError> {
    let mut next = 0;
    loop {
        let tiles = source.tiles(next, TILES_AT_ONCE).await?;
        let there = target.tiles(next, TILES_AT_ONCE).await?;
        let begins = there.len() <= tiles.len()
            && there.iter().zip(&tiles).all(|(there, tile)| {
                there == tile || there.number == tile.number && tile.leaves.starts_with(&there.leaves)
            });
        if !begins {
            return Ok(false);
        }
        let Some(last) = tiles.last() else { return Ok(true) };
        next = last.number + 1;
        if there != tiles {
            target.keep_tiles(tiles).await?;
        }
    }
}

/// How many there are and how many were copied; nothing where what the target had was no beginning.
async fn copy_notes(
    source: &mut dyn Transaction,
    target: &mut dyn Transaction,
) -> Result<Option<(u64, u64)>, EvidenceError> {
    let (mut next, mut all, mut copied) = (i64::MIN, 0, 0);
    loop {
        let notes = source.notes(next, NOTES_AT_ONCE).await?;
        let there = target.notes(next, NOTES_AT_ONCE).await?;
        if !notes.starts_with(&there) {
            return Ok(None);
        }
        let Some(last) = notes.last() else { return Ok(Some((all, copied))) };
        next = (last.number as i64).saturating_add(1);
        all += notes.len() as u64;
        for note in notes.into_iter().skip(there.len()) {
            target.keep_note(note).await?;
            copied += 1;
        }
    }
}
