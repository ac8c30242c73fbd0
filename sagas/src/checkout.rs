//! Turns a requested order into a placed one: holds stock, holds the customer's money, and places it. Whatever
//! stands in the way, a tenant suspended meanwhile included, undoes all of it and declines the order with its code.

use crate::context::{Context, asked};
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::ids::OrderId;
use cityos_domain::money::Money;
use cityos_domain::orders::order;
use cityos_domain::orders::payment::Method;
use cityos_domain::orders::placing::PlaceOrder;
use cityos_domain::orders::requesting::{DeclineOrder, ReleaseStock, ReserveStock};
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::Decided;
use serde::{Deserialize, Serialize};

/// Seconds between attempts at holding the customer's money: someone is waiting for the answer.
const AUTHORISE_DELAYS_S: &[u32] = &[1, 5, 30];

/// The reference where nothing is to be paid: no provider is asked.
pub(crate) const NOTHING_TO_PAY: &str = "nothing-to-pay";

/// The saga.
pub struct Checkout;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The customer gets an answer whatever happens: the way back from here declines the order.
    Answer,
    /// Offers are checked and stock is held.
    Reserve,
    /// The customer's money is held.
    Authorise,
    /// The order is placed.
    Place,
}

/// Which order, and what it costs.
#[derive(Serialize, Deserialize)]
pub struct Input {
    order: OrderId,
    amount: Money,
}

/// What the provider said.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    authorisation: Option<String>,
}

#[async_trait]
impl Saga for Checkout {
    const NAME: &'static str = "checkout";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] = &[
        ("answer", Step::Answer),
        ("reserve", Step::Reserve),
        ("authorise", Step::Authorise),
        ("place", Step::Place),
    ];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Order(order::Event::Requested { cart }) = &event.event else { return None };
        Some(Input { order: OrderId(event.stream.id), amount: cart.payable() })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::Answer | Step::Reserve => Policy::LOCAL,
            Step::Authorise => Policy::REMOTE.delays_s(AUTHORISE_DELAYS_S),
            Step::Place => Policy::LOCAL.way(Way::Pivot),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::Answer | Step::Reserve | Step::Authorise => None,
            Step::Place => Some("nothing else places the order for which stock and money are held"),
        }
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        let Input { order, amount } = *input;
        match step {
            Step::Answer => {}
            Step::Reserve => cx.tell(&ReserveStock { order }).await?,
            Step::Authorise if amount.minor == 0 => memo.authorisation = None,
            Step::Authorise => {
                let (payments, key) = (cx.payments(), cx.key());
                let authorise = payments.authorise(&key, cx.partition(), order, amount);
                memo.authorisation = Some(cx.once(payments.find(&key), authorise).await?);
            }
            Step::Place => {
                let (method, reference) = match &memo.authorisation {
                    Some(reference) => (Method::Provider, reference.clone()),
                    None if amount.minor == 0 => (Method::External, NOTHING_TO_PAY.into()),
                    None => {
                        return Err(Failure::permanent(
                            "AUTHORISATION_MISSING",
                            "the payment was not authorised",
                        ));
                    }
                };
                cx.tell(&PlaceOrder { order, method, authorised: amount, reference }).await?;
            }
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, input: &Input, memo: &Memo, cx: &Context) -> Result<(), Failure> {
        let Input { order, amount } = *input;
        match step {
            Step::Answer => {
                let (code, message) = cx.turned().unwrap_or_default();
                cx.tell(&DeclineOrder { order, code: code.into(), message: message.into() }).await
            }
            Step::Reserve => cx.tell(&ReleaseStock { order }).await,
            Step::Authorise => {
                let payments = cx.payments();
                let authorisation = match &memo.authorisation {
                    Some(reference) => Some(reference.clone()),
                    None => asked(payments.find(&cx.forward_key()).await)?,
                };
                if let Some(authorisation) = authorisation {
                    let key = cx.key();
                    cx.once(payments.find(&key), payments.release(&key, &authorisation, amount)).await?;
                }
                Ok(())
            }
            Step::Place => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::orders::checkouts()
    }
}
