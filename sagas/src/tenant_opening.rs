//! Opens a tenant's partition once the city has registered it. The run lies in the platform's partition, with its
//! cause; what it does lies in the tenant's.

use crate::context::Context;
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenancy::Registration;
use cityos_domain::foundation::tenant::{self, ProvisionTenant, Tenant};
use cityos_domain::ids::TenantId;
use cityos_domain::log::Partition;
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::{Decided, Tell};
use serde::{Deserialize, Serialize};

/// The saga.
pub struct TenantOpening;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The partition gets its tenant.
    Provision,
    /// The tenant may trade.
    Activate,
}

/// Who is registered, and with what.
#[derive(Serialize, Deserialize)]
pub struct Input {
    tenant: TenantId,
    registration: Registration,
}

#[async_trait]
impl Saga for TenantOpening {
    const NAME: &'static str = "tenant_opening";
    type Step = Step;
    type Input = Input;
    type Memo = ();
    const STEPS: &'static [(&'static str, Step)] =
        &[("provision", Step::Provision), ("activate", Step::Activate)];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Tenancy(registered) = &event.event else { return None };
        Some(Input { tenant: TenantId(event.stream.id), registration: Registration::of(registered) })
    }

    fn policy(step: Step) -> Policy {
        match step {
            // The slug is taken and stays taken: a tenant that cannot be opened is an operator's business.
            Step::Provision | Step::Activate => Policy::LOCAL.way(Way::Onward),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::Provision | Step::Activate => Some("nothing else opens the tenant, whose slug is taken"),
        }
    }

    async fn act(step: Step, input: &Input, _: &mut (), cx: &Context) -> Result<Progress, Failure> {
        let partition = Partition::Tenant(input.tenant);
        match step {
            Step::Provision => {
                let registration = input.registration.clone();
                cx.tell_in(partition, &ProvisionTenant { registration }).await?;
            }
            Step::Activate => {
                let activate = Tell::<Tenant> { id: input.tenant, command: tenant::Command::Activate };
                cx.tell_in(partition, &activate).await?;
            }
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, _: &Input, _: &(), _: &Context) -> Result<(), Failure> {
        match step {
            Step::Provision | Step::Activate => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::tenants::openings()
    }
}
