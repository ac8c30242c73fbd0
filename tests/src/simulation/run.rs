//! One simulation: a city is founded, then people want things, time passes, and everything that can go wrong does,
//! all as the seed says; and what must hold is looked at now and then.

mod judging;

use super::city::{City, PUT_BACK_MAX, Process};
use super::dice::{Dice, Of};
use super::given::{Answer, Given};
use super::invariants::{self, Invariant, Runs};
use super::market::Market;
use super::weather::{CALM, FAIR, FRONTS, Weather};
use super::wishes::{ACTIONS, Wish};
use super::{Plan, Story};
use anyhow::{Context, Result, anyhow, bail};
use chrono::TimeDelta;
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Position};
use cityos_eventstore::executor::{Command, ExecuteError, Executed};
use cityos_eventstore::store::{InputHash, StoreError};
use cityos_projections::ProjectError;
use cityos_sagas::EngineError;
use std::sync::{Arc, Mutex};

/// What happens next, and how often in comparison: the list of moves.
const MOVES: &[(u16, Move)] = &[
    (600, Move::Want),
    (50, Move::Repeat),
    (20, Move::ReuseKey),
    (140, Move::Drive),
    (60, Move::TimePasses),
    (8, Move::ClockIsPutBack),
    (30, Move::WeatherChanges),
    (8, Move::Restart),
    (4, Move::ReadsAreLost),
    (4, Move::ReadsAreOld),
    (3, Move::Rebuild),
    (3, Move::ForgetReceipts),
];

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Somebody wants something.
    Want,
    /// Somebody wants the same again, under the same key.
    Repeat,
    /// Somebody uses a key for something else.
    ReuseKey,
    /// What is due is done, for once.
    Drive,
    /// Seconds, up to months.
    TimePasses,
    /// Seconds, up to minutes.
    ClockIsPutBack,
    /// More goes wrong, or less.
    WeatherChanges,
    /// The process ends and another begins.
    Restart,
    /// And the read models are gone.
    ReadsAreLost,
    /// Or are those of an earlier day.
    ReadsAreOld,
    /// A read model is built anew.
    Rebuild,
    /// Receipts past keeping are deleted.
    ForgetReceipts,
}

/// How long receipts are kept.
const RECEIPTS_KEPT: TimeDelta = TimeDelta::days(30);

/// How old a command may be that is repeated: younger than any receipt that is deleted.
const REPEATED_WITHIN: TimeDelta = TimeDelta::days(29);

/// How long the lease of an attempt is, and a little more.
const LEASE: TimeDelta = TimeDelta::seconds(40);

/// How many works the mortal process is given at most to do what is due in bad weather.
const DRIVES_MAX: u64 = 4;

/// Of logs so long, what takes as long as the log is long is done half as often; of longer ones more rarely.
const REBUILT_EVENTS: usize = 1_000;

/// What others did meanwhile: to which command, and what they were answered.
type Rivals = Arc<Mutex<Vec<(usize, Result<Executed, ExecuteError>)>>>;

pub(super) struct Simulation {
    plan: Plan,
    city: City,
    wishes: Dice,
    weather: Weather,
    markets: Vec<Market>,
    given: Vec<Given>,
    rivals: Rivals,
    log: Vec<Envelope>,
    invariants: Vec<Box<dyn Invariant>>,
    runs: Runs,
    /// How many commands were wanted so far.
    pub(super) step: usize,
    /// What has come of it so far.
    pub(super) story: Story,
}

impl Simulation {
    pub(super) async fn open(plan: Plan) -> Result<Self> {
        let city = City::open(plan.log(), Dice::new(plan.seed, Of::Faults)).await?;
        Ok(Simulation {
            city,
            wishes: Dice::new(plan.seed, Of::Wishes),
            weather: CALM,
            markets: Vec::new(),
            given: Vec::new(),
            rivals: Arc::default(),
            log: Vec::new(),
            invariants: invariants::all(),
            runs: Runs::default(),
            step: 0,
            story: Story::default(),
            plan,
        })
    }

    /// All of it, to the end.
    pub(super) async fn play(&mut self) -> Result<()> {
        let mut founding = Dice::new(self.plan.seed, Of::Founding);
        while self.markets.len() < self.plan.tenants() {
            super::founding::found(self, &mut founding).await?;
        }
        self.bring(FAIR);
        let mut looked_at = 0;
        while self.step < self.plan.commands() {
            let next = self.wishes.weighed(MOVES);
            self.tell(format!("{next:?}"));
            self.make(next).await.with_context(|| format!("{next:?}"))?;
            if self.city.fate.is_dead() {
                self.tell("the process died".into());
                self.restart(|_| Ok(())).await?;
            }
            if self.plan.looks_every().is_some_and(|every| self.step >= looked_at + every) {
                looked_at = self.step;
                self.come_to_rest(false).await?;
                super::founding::found(self, &mut founding).await?;
                self.bring(FAIR);
            }
        }
        self.end().await
    }

    /// Takes down what there is to say of it.
    pub(super) async fn close(&mut self) -> Result<()> {
        self.story.deaths = self.city.fate.deaths();
        let log = &mut self.story.log;
        loop {
            let after = log.last().map_or(Position::START, |last| last.position);
            let page = self.city.log.read_stored(after, u32::MAX).await?;
            if page.is_empty() {
                break;
            }
            log.extend(page);
        }
        self.story.events = self.story.log.len();
        self.story.reached = self.story.log.iter().map(|event| event.type_name.clone()).collect();
        Ok(())
    }

    fn tell(&mut self, what: String) {
        self.story.tale.push(format!("{} {what}", self.city.now().to_rfc3339()));
    }

    async fn make(&mut self, next: Move) -> Result<()> {
        match next {
            Move::Want => self.want().await,
            Move::Repeat => self.repeat().await,
            Move::ReuseKey => self.reuse_key().await,
            Move::Drive => self.drive().await,
            Move::TimePasses => {
                self.time_passes();
                Ok(())
            }
            Move::ClockIsPutBack => {
                let back = TimeDelta::seconds(self.wishes.between(1, PUT_BACK_MAX.num_seconds()));
                self.city.clock.set(self.city.now() - back);
                Ok(())
            }
            Move::WeatherChanges => {
                let weather = self.wishes.weighed(FRONTS);
                self.bring(weather);
                Ok(())
            }
            Move::Restart => self.restart(City::keep_reads).await,
            Move::ReadsAreLost if self.is_spared() => Ok(()),
            Move::ReadsAreLost => self.restart(City::lose_reads).await,
            Move::ReadsAreOld => self.restart(City::put_reads_back).await,
            Move::Rebuild if self.is_spared() => Ok(()),
            Move::Rebuild => self.rebuild_one().await,
            Move::ForgetReceipts => {
                self.city.log.forget_receipts(self.city.now() - RECEIPTS_KEPT, u32::MAX).await?;
                Ok(())
            }
        }
    }

    /// Whether what takes as long as the log is long is left out this time.
    fn is_spared(&mut self) -> bool {
        let share = REBUILT_EVENTS * 1_000 / (REBUILT_EVENTS + self.log.len());
        !self.wishes.falls(u16::try_from(share).expect("it is at most a thousand"))
    }

    fn bring(&mut self, weather: Weather) {
        self.weather = weather;
        self.city.fate.bring(weather);
        self.city.sandbox.faults().chance(weather.at_the_provider(&mut self.wishes));
    }

    fn time_passes(&mut self) {
        let (from, to) = self.wishes.weighed(&[
            (400, (TimeDelta::seconds(1), TimeDelta::seconds(120))),
            (300, (TimeDelta::minutes(2), TimeDelta::minutes(200))),
            (200, (TimeDelta::hours(3), TimeDelta::hours(30))),
            (80, (TimeDelta::days(1), TimeDelta::days(9))),
            (10, (TimeDelta::days(20), TimeDelta::days(40))),
        ]);
        let seconds = self.wishes.between(from.num_seconds(), to.num_seconds());
        self.city.clock.advance(TimeDelta::seconds(seconds));
    }

    /// The process does what is due, a few times over. What fails is left for later.
    async fn drive(&mut self) -> Result<()> {
        if self.wishes.falls(self.weather.ambush) {
            let ambush = self.ambush(None).await;
            self.city.fate.lay_ambush(ambush);
        }
        for _ in 0..1 + self.wishes.below(DRIVES_MAX) {
            match self.city.mortal().engine.drive_due().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.check_failure(&error)?;
                    break;
                }
            }
        }
        self.hear_of_rivals().await
    }

    /// What only the weather brings about is no failure.
    fn check_failure(&self, error: &EngineError) -> Result<()> {
        let dead = self.city.fate.is_dead();
        let weather = match error {
            EngineError::Log(error) => matches!(error, StoreError::Busy | StoreError::Closed),
            EngineError::Command(error) => matches!(error, ExecuteError::Store(_) | ExecuteError::Contended),
            EngineError::Projection(error) => dead || matches!(error, ProjectError::Log(StoreError::Busy)),
            EngineError::Reads(_) => dead,
            EngineError::Panicked | EngineError::Restless => false,
        };
        if weather { Ok(()) } else { bail!("the engine cannot work: {error:?}") }
    }

    async fn restart(&mut self, meanwhile: impl FnOnce(&City) -> Result<()>) -> Result<()> {
        self.city.stop();
        meanwhile(&self.city)?;
        self.city.fate.bring(CALM);
        self.city.start().await?;
        self.city.fate.bring(self.weather);
        self.story.restarts += 1;
        Ok(())
    }

    /// What others do meanwhile: want something themselves, or the same at the same time, or drive what is due when
    /// the mortal process is taken for lost.
    async fn ambush(&mut self, of: Option<usize>) -> super::fate::Ambush {
        let rival = self.city.rival().clone();
        let (clock, rivals) = (self.city.clock.clone(), self.rivals.clone());
        let same = of.filter(|_| self.wishes.falls(150));
        let other = match same {
            Some(_) => None,
            None if self.wishes.falls(650) => self.draw(&rival).await,
            None => None,
        };
        let commands: Vec<usize> = match (same, other) {
            (Some(index), _) => vec![index],
            (None, Some((what, wishes))) => {
                wishes.into_iter().map(|wish| self.take_down(&format!("a rival's {what}"), wish)).collect()
            }
            (None, None) => Vec::new(),
        };
        let given: Vec<_> = commands.into_iter().map(|index| (index, self.given[index].clone())).collect();
        let late = self.wishes.weighed(&[(4, TimeDelta::zero()), (3, LEASE), (1, TimeDelta::hours(1))]);
        Box::pin(async move {
            if given.is_empty() {
                clock.advance(late);
                // What keeps it from working is found by the mortal process, too.
                drop(rival.engine.drive_due().await);
            }
            for (index, Given { command, wish, .. }) in given {
                let answer = rival.executor.execute(&command, &*wish.intention).await;
                rivals.lock().expect("nothing panics while it holds them").push((index, answer));
            }
        })
    }

    /// Those who were to do something meanwhile and did not come to it do it now; then all of their answers are
    /// taken down.
    async fn hear_of_rivals(&mut self) -> Result<()> {
        if let Some(late) = self.city.fate.take_ambush() {
            late.await;
        }
        let answers = std::mem::take(&mut *self.rivals.lock().expect("nothing panics while it holds them"));
        answers.into_iter().try_for_each(|(index, answer)| self.take_answer(index, answer))
    }

    /// Somebody wants something, somewhere.
    async fn draw(&mut self, process: &Process) -> Option<(String, Vec<Wish>)> {
        let action = self.wishes.weighed(ACTIONS);
        // The oldest tenants trade no more, or are left alone.
        let traders = self.plan.tenants() as u64;
        let place = self.markets.len() - 1 - self.wishes.below(traders) as usize;
        let wishes = action.wish(&mut self.markets[place], &mut self.wishes, process).await?;
        Some((format!("{action:?}"), wishes))
    }

    async fn want(&mut self) -> Result<()> {
        let mortal = self.city.mortal().clone();
        let Some((what, wishes)) = self.draw(&mortal).await else { return Ok(()) };
        for wish in wishes {
            self.step += 1;
            let index = self.take_down(&what, wish);
            if self.wishes.falls(self.weather.ambush) {
                let ambush = self.ambush(Some(index)).await;
                self.city.fate.lay_ambush(ambush);
            }
            self.give_again(index).await?;
            self.hear_of_rivals().await?;
        }
        Ok(())
    }

    fn take_down(&mut self, what: &str, wish: Wish) -> usize {
        let number = self.given.len();
        let seed = self.plan.seed.to_string();
        let id = CommandId(derive(&["simulated command", &seed, &number.to_string()]));
        let meta = Meta::of(id, Actor::user("simulation"), Origin::Live);
        let input = InputHash([1; 32]);
        let command = Command { partition: wish.partition, at: self.city.now(), meta, input, expected: None };
        self.given.push(Given { what: format!("{what} ({number})"), command, wish, answer: Answer::Unknown });
        number
    }

    /// The mortal process carries out a command, for the first time or again.
    async fn give_again(&mut self, index: usize) -> Result<()> {
        let Given { mut command, wish, answer, .. } = self.given[index].clone();
        command.at = self.city.now();
        let mortal = self.city.mortal().clone();
        let done = matches!(answer, Answer::Done(_));
        if wish.pays_everybody && !done && !self.pays_everybody(&mortal, &command).await? {
            return Ok(());
        }
        let answer = mortal.executor.execute(&command, &*wish.intention).await;
        match &answer {
            Ok(_) => self.story.done += 1,
            Err(ExecuteError::Store(_)) => self.story.unknown += 1,
            Err(_) => self.story.refused += 1,
        }
        self.take_answer(index, answer)
    }

    fn take_answer(&mut self, index: usize, answer: Result<Executed, ExecuteError>) -> Result<()> {
        let said = match &answer {
            Ok(done) => format!("done at {}", done.position.0),
            Err(error) => error.to_string(),
        };
        self.tell(format!("  {}: {said}", self.given[index].what));
        if answer.is_ok() && !matches!(self.given[index].answer, Answer::Done(_)) {
            let Wish { partition, ref makes, .. } = self.given[index].wish;
            let market = self.markets.iter_mut().find(|market| market.partition() == partition);
            market.into_iter().for_each(|market| market.learn(makes));
        }
        self.given[index].answered(answer).map_err(|what| anyhow!(what))
    }

    async fn pays_everybody(&self, process: &Process, command: &Command) -> Result<bool> {
        if let Err(error) = process.projector.catch_up().await {
            self.check_failure(&error.into())?;
            return Ok(false);
        }
        match process.engine.sweep_payouts(command.partition, &command.meta, Trigger::Manual).await {
            Ok(()) => Ok(true),
            Err(error) => self.check_failure(&error).map(|()| false),
        }
    }

    /// A command that was given not long ago.
    fn recent(&mut self) -> Option<usize> {
        let among: Vec<usize> = (self.given.len().saturating_sub(40)..self.given.len()).collect();
        let index = *self.wishes.pick(&among)?;
        let age = self.city.now() - self.given[index].command.at;
        (age < REPEATED_WITHIN).then_some(index)
    }

    async fn repeat(&mut self) -> Result<()> {
        let Some(index) = self.recent() else { return Ok(()) };
        self.give_again(index).await
    }

    async fn reuse_key(&mut self) -> Result<()> {
        let Some(index) = self.recent() else { return Ok(()) };
        let given = self.given[index].clone();
        if !matches!(given.answer, Answer::Done(_)) {
            return Ok(());
        }
        let input = InputHash([2; 32]);
        let command = Command { input, at: self.city.now(), ..given.command.clone() };
        let answer = self.city.mortal().executor.execute(&command, &*given.wish.intention).await;
        given.answered_otherwise(&answer).map_err(|what| anyhow!(what))
    }

    pub(super) fn markets(&self) -> usize {
        self.markets.len()
    }

    pub(super) fn add_market(&mut self, market: Market) {
        self.markets.push(market);
    }

    /// Somebody wants something before anything goes wrong.
    pub(super) async fn give(&mut self, wish: Wish) -> Result<&Answer> {
        let index = self.take_down("founding", wish);
        self.give_again(index).await?;
        Ok(&self.given[index].answer)
    }

    /// The same where nothing speaks against it.
    pub(super) async fn must(&mut self, what: &str, wish: Wish) -> Result<()> {
        match self.give(wish).await? {
            Answer::Done(_) => Ok(()),
            answer @ (Answer::Unknown | Answer::Refused) => bail!("{what} is not done: {answer:?}"),
        }
    }

    /// Everything due is done.
    pub(super) async fn settle(&self) -> Result<()> {
        cityos_sagas::settle(&self.city.mortal().engine).await?;
        Ok(())
    }
}
