//! Takes a tenant that is over out of the city's geography. The run lies in the tenant's partition, with its cause;
//! what it does lies in the platform's. Nothing else of the tenant goes.

use crate::context::Context;
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenancy::LeaveSubcategory;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::TenantId;
use cityos_domain::log::Partition;
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::Decided;
use serde::{Deserialize, Serialize};

/// The saga.
pub struct TenantClosing;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The subcategory no longer has it.
    Leave,
}

/// Who is over.
#[derive(Serialize, Deserialize)]
pub struct Input {
    tenant: TenantId,
}

#[async_trait]
impl Saga for TenantClosing {
    const NAME: &'static str = "tenant_closing";
    type Step = Step;
    type Input = Input;
    type Memo = ();
    const STEPS: &'static [(&'static str, Step)] = &[("leave", Step::Leave)];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Tenant(tenant::Event::Closed {}) = &event.event else { return None };
        Some(Input { tenant: TenantId(event.stream.id) })
    }

    fn policy(step: Step) -> Policy {
        match step {
            // What is over does not open again.
            Step::Leave => Policy::LOCAL.way(Way::Onward),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::Leave => Some("nothing else takes the tenant out of the city's geography"),
        }
    }

    async fn act(step: Step, input: &Input, _: &mut (), cx: &Context) -> Result<Progress, Failure> {
        match step {
            Step::Leave => cx.tell_in(Partition::Platform, &LeaveSubcategory { id: input.tenant }).await?,
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, _: &Input, _: &(), _: &Context) -> Result<(), Failure> {
        match step {
            Step::Leave => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::tenants::closings()
    }
}
