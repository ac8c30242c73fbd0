//! Tells the payment provider that held money is given back. The order has let go of it already, so there is no
//! way back: what the provider refuses is an operator's business.

use crate::context::Context;
use crate::saga::{Failure, NO_WAY_BACK_DELAYS_S, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::money::Money;
use cityos_domain::orders::payment::{self, Method};
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::Decided;
use serde::{Deserialize, Serialize};

/// The saga.
pub struct PaymentRelease;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The provider gives the money back.
    Release,
}

/// How much of which authorisation.
#[derive(Serialize, Deserialize)]
pub struct Input {
    authorisation: String,
    amount: Money,
}

#[async_trait]
impl Saga for PaymentRelease {
    const NAME: &'static str = "payment_release";
    type Step = Step;
    type Input = Input;
    type Memo = ();
    const STEPS: &'static [(&'static str, Step)] = &[("release", Step::Release)];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Payment(payment::Event::Released { minor, currency, method, reference, .. }) =
            &event.event
        else {
            return None;
        };
        let asked = *method == Method::Provider && *minor > 0;
        let amount = Money { minor: *minor, currency: *currency };
        asked.then(|| Input { authorisation: reference.clone(), amount })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::Release => Policy::REMOTE.way(Way::Onward).delays_s(NO_WAY_BACK_DELAYS_S),
        }
    }

    async fn act(step: Step, input: &Input, _: &mut (), cx: &Context) -> Result<Progress, Failure> {
        match step {
            Step::Release => {
                let (payments, key) = (cx.payments(), cx.key());
                let release = payments.release(&key, &input.authorisation, input.amount);
                cx.once(payments.find(&key), release).await?;
                Ok(Progress::Done)
            }
        }
    }

    async fn undo(step: Step, _: &Input, _: &(), _: &Context) -> Result<(), Failure> {
        match step {
            Step::Release => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::orders::releases()
    }
}
