//! What can go wrong at any moment, and how often it does: the list of faults.

use super::dice::Dice;
use cityos_connectors::sandbox::Chance;

/// How often things go wrong, in thousandths of the moments at which they can.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The log cannot be written, and was not.
    pub log_busy: u16,
    /// Nobody learns that an append was not written.
    pub append_lost: u16,
    /// Nobody learns that an append was written.
    pub acknowledgement_lost: u16,
    /// The log cannot be read.
    pub log_unreadable: u16,
    /// The process dies before an append or a call to the outside world.
    pub dies_before: u16,
    /// It dies after one.
    pub dies_after: u16,
    /// It dies while it writes a page of the read models.
    pub dies_projecting: u16,
    /// Somebody else is faster: they write, or drive what is due, between a decision and its append or during a
    /// call to the outside world, which may take longer than the attempt's lease.
    pub ambush: u16,
    /// The provider refuses for good.
    pub refused: u16,
    /// It cannot now.
    pub unavailable: u16,
    /// It never hears of a request.
    pub request_lost: u16,
    /// Its answer gets lost.
    pub reply_lost: u16,
}

/// Nothing goes wrong.
pub const CALM: Weather = Weather {
    log_busy: 0,
    append_lost: 0,
    acknowledgement_lost: 0,
    log_unreadable: 0,
    dies_before: 0,
    dies_after: 0,
    dies_projecting: 0,
    ambush: 0,
    refused: 0,
    unavailable: 0,
    request_lost: 0,
    reply_lost: 0,
};

/// Most of the time.
pub const FAIR: Weather = Weather {
    log_busy: 2,
    append_lost: 2,
    acknowledgement_lost: 2,
    log_unreadable: 1,
    dies_before: 1,
    dies_after: 1,
    dies_projecting: 2,
    ambush: 200,
    refused: 20,
    unavailable: 30,
    request_lost: 20,
    reply_lost: 20,
};

/// At times.
pub const STORM: Weather = Weather {
    log_busy: 30,
    append_lost: 20,
    acknowledgement_lost: 30,
    log_unreadable: 10,
    dies_before: 8,
    dies_after: 12,
    dies_projecting: 15,
    ambush: 500,
    refused: 80,
    unavailable: 200,
    request_lost: 150,
    reply_lost: 150,
};

/// The forecast: each with its weight.
pub const FRONTS: &[(u16, Weather)] = &[(2, CALM), (6, FAIR), (3, STORM)];

impl Weather {
    /// How the provider fails in it.
    pub fn at_the_provider(&self, dice: &mut Dice) -> Chance {
        Chance {
            seed: dice.below(u64::MAX),
            refuse: self.refused,
            unavailable: self.unavailable,
            time_out: self.request_lost,
            lose_reply: self.reply_lost,
        }
    }
}
