//! What befalls one process: at every append and every call to the outside world fate is asked first. Everything
//! here happens in one order that the seed decides, never by who was faster.

use super::dice::Dice;
use super::weather::{CALM, Weather};
use cityos_domain::log::Position;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

/// Something others do meanwhile.
pub type Ambush = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many writes an ambush lets pass at most before it begins.
const AMBUSHED_WITHIN: u64 = 6;

/// How many rows a dying process still looks at, at most, in the page it dies in.
const LAST_ROWS: u64 = 60;

/// What befalls a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blow {
    /// Nothing.
    None,
    /// The process is dead, or dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// It is not done, and that is known.
    Busy,
    /// It is not done, and nobody knows.
    Lost,
    /// It is done, and nobody knows.
    Unacknowledged,
}

/// A call to the outside world that was about to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Under which idempotency key.
    pub key: String,
    /// Where the log ended then.
    pub head: Position,
}

/// The fate of a process. Clones are the same.
#[derive(Clone)]
pub struct Fate(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    weather: Weather,
    dead: bool,
    deaths: u32,
    ambush: Option<(u64, Ambush)>,
    /// How many rows the process looks at before it dies of it.
    rows_left: Option<u64>,
    calls: Vec<Call>,
}

impl Fate {
    /// Nothing befalls it before there is [weather](Fate::bring).
    pub fn new(dice: Dice) -> Self {
        Fate(Arc::new(Mutex::new(State {
            dice,
            weather: CALM,
            dead: false,
            deaths: 0,
            ambush: None,
            rows_left: None,
            calls: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it looks at fate")
    }

    /// From here on things go wrong so often.
    pub fn bring(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// How often it died.
    pub fn deaths(&self) -> u32 {
        self.state().deaths
    }

    /// Another process begins where it ended.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.rows_left = None;
    }

    /// Has others do something at one of the next writes.
    pub fn lay_ambush(&self, ambush: Ambush) {
        let mut state = self.state();
        let passes = state.dice.below(AMBUSHED_WITHIN);
        state.ambush = Some((passes, ambush));
    }

    /// What others were to do and did not come to.
    pub fn take_ambush(&self) -> Option<Ambush> {
        self.state().ambush.take().map(|(_, ambush)| ambush)
    }

    /// Lets others do what they do meanwhile, if this is their moment.
    pub async fn meet_ambush(&self) {
        let met = {
            let mut state = self.state();
            match state.ambush.take() {
                Some((0, ambush)) => Some(ambush),
                Some((passes, ambush)) => {
                    state.ambush = Some((passes - 1, ambush));
                    None
                }
                None => None,
            }
        };
        if let Some(ambush) = met {
            ambush.await;
        }
    }

    /// What befalls an append.
    pub fn of_append(&self) -> Blow {
        let mut state = self.state();
        let weather = state.weather;
        state.draw(&[
            (weather.log_busy, Blow::Busy),
            (weather.append_lost, Blow::Lost),
            (weather.acknowledgement_lost, Blow::Unacknowledged),
        ])
    }

    /// What befalls a call to the outside world, apart from what the outside world itself does.
    pub fn of_call(&self, key: &str, head: Position) -> Blow {
        let mut state = self.state();
        let blow = state.draw(&[]);
        if blow != Blow::DiesBefore {
            state.calls.push(Call { key: key.into(), head });
        }
        blow
    }

    /// The calls that were made.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Whether the log can be read.
    pub fn lets_read(&self) -> bool {
        let mut state = self.state();
        let unreadable = state.weather.log_unreadable;
        !state.dead && !state.dice.falls(unreadable)
    }

    /// A page of the log was read, perhaps for the read models: the process may die of writing them.
    pub fn of_page(&self) {
        let mut state = self.state();
        let dies = state.weather.dies_projecting;
        state.rows_left = if state.dice.falls(dies) { Some(state.dice.below(LAST_ROWS)) } else { None };
    }

    /// Whether the process lives to look at another row of its read models.
    pub fn lets_project(&self) -> bool {
        let mut state = self.state();
        match state.rows_left {
            Some(0) => {
                state.die();
                false
            }
            Some(left) => {
                state.rows_left = Some(left - 1);
                true
            }
            None => !state.dead,
        }
    }
}

impl State {
    fn draw(&mut self, faults: &[(u16, Blow)]) -> Blow {
        if self.dead {
            return Blow::DiesBefore;
        }
        let deaths =
            [(self.weather.dies_before, Blow::DiesBefore), (self.weather.dies_after, Blow::DiesAfter)];
        let mut drawn = self.dice.below(1_000);
        for (per_mille, blow) in deaths.iter().chain(faults) {
            match drawn.checked_sub(u64::from(*per_mille)) {
                Some(left) => drawn = left,
                None => {
                    if matches!(blow, Blow::DiesBefore | Blow::DiesAfter) {
                        self.die();
                    }
                    return *blow;
                }
            }
        }
        Blow::None
    }

    fn die(&mut self) {
        self.dead = true;
        self.deaths += 1;
        self.rows_left = None;
    }
}
