//! Vendors: who sells, how they come in, and what is decided about them.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, Rejection, answers, inputs, mutations};
use crate::graphql::connection::{Node, below, filter, for_sellers, lists, lookups, ordering};
use crate::graphql::ids::Id;
use crate::graphql::ledger::{BalancesOfVendor, VendorBalance};
use crate::graphql::order_parts::open_parts;
use crate::graphql::refusal::Refusal;
use crate::graphql::sealing::{is_there, open_contact, seal_contact};
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{
    ContactInput, ContactOut, LocalTextInput, LocalTextOut, local_texts, parse_texts, reason,
};
use crate::ownership::{OnlyOwn, Thing};
use async_graphql::{Context, Enum, InputObject, Object};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{PersonId, VendorId};
use cityos_domain::marketplace::vendor::{self, ApplyAsVendor, Command, Introduction, InviteVendor};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Code;
use cityos_domain::workspace::{Intention, Stop, Tell, Workspace};
use cityos_projections::Filter;
use cityos_projections::models::vendors::{self, Vendors};

/// Where a vendor stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vendor::Stage")]
pub enum VendorStatus {
    /// Asked to sell.
    Applied,
    /// Was asked to sell.
    Invited,
    /// Is giving what is needed.
    Onboarding,
    /// Waits for a reviewer.
    ReadyForReview,
    /// May sell.
    Approved,
    /// May not sell for now.
    Suspended,
    /// Was refused; may apply again.
    Rejected,
    /// Will never sell again.
    Terminated,
}

/// What is known about who a vendor is.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vendor::KycStatus")]
pub enum KycStatus {
    /// Nothing was looked at.
    Unverified,
    /// Being looked at.
    Pending,
    /// Proven.
    Verified,
    /// Something is missing.
    ActionRequired,
    /// Refused.
    Rejected,
}

/// A seller in a tenant's marketplace. What is null for those who may not see it says so.
pub struct Vendor {
    scope: Scope,
    row: vendors::Vendor,
}

impl Node for Vendor {
    type Model = Vendors;

    fn visible(own: Own) -> Option<Filter<vendors::Vendor>> {
        for_sellers(own, vendors::Vendor::id())
    }

    fn show(scope: Scope, row: vendors::Vendor) -> Self {
        Vendor { scope, row }
    }
}

impl Vendor {
    fn inside<T>(&self, value: impl FnOnce() -> T) -> Option<T> {
        self.scope.own.sells(self.row.id).then(value)
    }
}

#[Object]
impl Vendor {
    /// Its id.
    async fn id(&self) -> Id<VendorId> {
        self.row.id.into()
    }

    /// Unique in the tenant.
    async fn handle(&self) -> &str {
        self.row.handle.as_str()
    }

    /// The business's name.
    async fn name(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.name)
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Where it stands.
    async fn status(&self) -> VendorStatus {
        self.row.status.into()
    }

    /// Whether it may sell.
    async fn can_sell(&self) -> bool {
        self.row.can_sell()
    }

    /// Whether payouts may go to it. Null for buyers.
    async fn can_be_paid(&self) -> Option<bool> {
        self.inside(|| self.row.can_be_paid())
    }

    /// What is known about who it is. Null for buyers.
    async fn kyc(&self) -> Option<KycStatus> {
        self.inside(|| self.row.kyc.into())
    }

    /// Why the last decision about it was made. Null for buyers.
    async fn reason(&self) -> Option<&str> {
        self.inside(|| self.row.reason.as_deref()).flatten()
    }

    /// Counts what it submitted for review: a reviewer names the one they saw. Null for buyers.
    async fn evidence(&self) -> Option<u32> {
        self.inside(|| self.row.evidence)
    }

    /// The account it is paid to, as the transfer provider calls it. Null for buyers.
    async fn payout_account(&self) -> Option<&str> {
        self.inside(|| self.row.payout_account.as_deref()).flatten()
    }

    /// When it first applied or was invited.
    async fn known_since(&self) -> DateTime<Utc> {
        self.row.known_since
    }

    /// Whom to talk to. Null for buyers, and once the person is forgotten.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<ContactOut>, Refusal> {
        match self.inside(|| self.row.contact.as_ref()).flatten() {
            Some(sealed) => open_contact(ctx, self.scope.partition, sealed).await,
            None => Ok(None),
        }
    }

    /// What it is owed, by currency. Empty for buyers.
    async fn balances(&self, ctx: &Context<'_>) -> Result<Vec<VendorBalance>, Refusal> {
        if !self.scope.own.sells(self.row.id) {
            return Ok(Vec::new());
        }
        below::<_, BalancesOfVendor>(ctx, self.scope, self.row.id).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Vendors>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which vendors.
    VendorFilter for Vendors {
        /// Whose handle begins so.
        handle_prefix: String => |handle: String| vendors::Vendor::handle().starts_with(&handle);
        /// Standing there.
        status: VendorStatus => |status: VendorStatus| vendors::Vendor::status().is(status.into());
        /// About whom this is known.
        kyc: KycStatus => |kyc: KycStatus| vendors::Vendor::kyc().is(kyc.into());
    }
}

ordering! {
    /// In which order.
    VendorSort for Vendors {
        /// By handle.
        Handle => vendors::Vendor::handle().ascending();
        /// The latest first.
        Newest => vendors::Vendor::known_since().descending();
        /// The earliest first.
        Oldest => vendors::Vendor::known_since().ascending();
    }
}

lists! {
    /// The vendors. A vendor sees itself.
    VendorList { vendors: Vendor, Action::Vendors, VendorFilter, VendorSort }
}

lookups! {
    /// One vendor.
    VendorLookup { vendor: Vendor, Action::Vendor, VendorId => vendors::Vendor::id() }
}

answers! {
    /// What became of a vendor.
    VendorResult, VendorChanged { vendor: Vendor }
}

/// How a vendor is introduced.
#[derive(InputObject)]
pub struct VendorIntroduction {
    /// Unique in the tenant: 1 to 64 printable ASCII characters.
    handle: String,
    /// The business's name.
    name: Vec<LocalTextInput>,
    /// Whom to talk to.
    contact: Option<ContactInput>,
}

/// How a vendor asks to sell.
#[derive(InputObject)]
pub struct ApplyAsVendorInput {
    /// The vendor, where it applies again after a refusal; with a vendor's token it is that one.
    vendor: Option<Id<VendorId>>,
    /// How it introduces itself.
    introduction: VendorIntroduction,
}

/// How a vendor is asked to sell.
#[derive(InputObject)]
pub struct InviteVendorInput {
    /// How it is introduced.
    introduction: VendorIntroduction,
}

/// Which vendor.
#[derive(InputObject)]
pub struct SubmitVendorForReviewInput {
    /// The vendor.
    vendor: Id<VendorId>,
}

inputs! {
    "Which vendor, and why."
    [SuspendVendorInput, ResumeVendorInput, TerminateVendorInput] {
        /// The vendor.
        vendor: Id<VendorId>,
        /// Why.
        reason: String,
    }
}

/// Which submission of a vendor is approved.
#[derive(InputObject)]
pub struct ApproveVendorInput {
    /// The vendor.
    vendor: Id<VendorId>,
    /// The submission the reviewer saw.
    evidence: u32,
}

/// Which submission of a vendor is refused, and why.
#[derive(InputObject)]
pub struct RejectVendorInput {
    /// The vendor.
    vendor: Id<VendorId>,
    /// Why.
    reason: String,
    /// The submission the reviewer saw.
    evidence: u32,
}

/// What is known about who a vendor is, and why.
#[derive(InputObject)]
pub struct ChangeVendorKycInput {
    /// The vendor.
    vendor: Id<VendorId>,
    /// What is known.
    status: KycStatus,
    /// Why.
    reason: String,
}

mutations! {
    /// Mutations of vendors.
    VendorMutations {
        /// A seller asks to sell, for the first time or again after a refusal. Its onboarding begins by itself.
        apply_as_vendor = ApplyAsVendor(mutation, input: ApplyAsVendorInput, expected) -> VendorResult {
            let again = input.vendor.map(|Id(vendor)| vendor).or(mutation.own().vendor());
            let id = again.unwrap_or_else(|| mutation.command().creates("vendor"));
            let introduction = match again {
                Some(id) if !may_apply_again(mutation, id).await? => Err(vendor::Rejection::Unknown.into()),
                Some(_) | None => introduce(mutation, id, input.introduction).await?,
            };
            let apply = introduction.map(|introduction| ApplyAsVendor { id, introduction });
            match again {
                None => introduced(mutation, id, apply, expected).await,
                Some(id) => {
                    let (own, thing) = (mutation.own(), Thing::Vendor(id));
                    let again = apply.map(|apply| OnlyOwn { own, thing, then: ApplyAgain(apply) });
                    introduced(mutation, id, again, expected).await
                }
            }
        }

        /// A seller is asked to sell. Its onboarding begins by itself.
        invite_vendor = InviteVendor(mutation, input: InviteVendorInput, expected) -> VendorResult {
            let id = mutation.command().creates("vendor");
            let introduction = introduce(mutation, id, input.introduction).await?;
            let invite = introduction.map(|introduction| InviteVendor { id, introduction });
            introduced(mutation, id, invite, expected).await
        }

        /// Everything a reviewer needs is there.
        submit_vendor_for_review = SubmitVendorForReview(mutation, input: SubmitVendorForReviewInput, expected) -> VendorResult {
            tell(mutation, input.vendor, Ok(Command::SubmitForReview), expected).await
        }

        /// The vendor may sell.
        approve_vendor = ApproveVendor(mutation, input: ApproveVendorInput, expected) -> VendorResult {
            tell(mutation, input.vendor, Ok(Command::Approve { evidence: input.evidence }), expected).await
        }

        /// The vendor may not sell; it may apply again.
        reject_vendor = RejectVendor(mutation, input: RejectVendorInput, expected) -> VendorResult {
            let evidence = input.evidence;
            let command = reason(&input.reason).map(|reason| Command::Reject { reason, evidence });
            tell(mutation, input.vendor, command, expected).await
        }

        /// The vendor may not sell for now, and payouts to it are held.
        suspend_vendor = SuspendVendor(mutation, input: SuspendVendorInput, expected) -> VendorResult {
            let command = reason(&input.reason).map(|reason| Command::Suspend { reason });
            tell(mutation, input.vendor, command, expected).await
        }

        /// A suspended vendor may sell again.
        resume_vendor = ResumeVendor(mutation, input: ResumeVendorInput, expected) -> VendorResult {
            let command = reason(&input.reason).map(|reason| Command::Resume { reason });
            tell(mutation, input.vendor, command, expected).await
        }

        /// The vendor never sells again. Refused while it sells (`suspendVendor` first), while it has orders to fulfil, or anything is owed to it or by it.
        terminate_vendor = TerminateVendor(mutation, input: TerminateVendorInput, expected) -> VendorResult {
            let Id(id) = input.vendor;
            let open_parts = open_parts(mutation, Some(id)).await?;
            let terminate =
                reason(&input.reason).map(|reason| vendor::TerminateVendor { id, reason, open_parts });
            answer(mutation, id, terminate, expected).await
        }

        /// More, or less, is known about who the vendor is.
        change_vendor_kyc = ChangeVendorKyc(mutation, input: ChangeVendorKycInput, expected) -> VendorResult {
            let status = input.status.into();
            let command = reason(&input.reason).map(|reason| Command::ChangeKyc { status, reason });
            tell(mutation, input.vendor, command, expected).await
        }
    }
}

/// Whether there is such a vendor, and the caller's: the intention asks again.
async fn may_apply_again(mutation: &Mutation<'_>, id: VendorId) -> Result<bool, Refusal> {
    Ok(mutation.own().sells(id) && is_there::<vendor::Vendor>(mutation, id).await?)
}

/// An application of a vendor that is there already: nobody but us gives vendors their ids.
struct ApplyAgain(ApplyAsVendor);

impl Intention for ApplyAgain {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.see::<vendor::Vendor>(self.0.id)?.known()?;
        self.0.decide(city)
    }
}

/// Personal data is sealed before there is a command that could carry it.
async fn introduce(
    mutation: &Mutation<'_>,
    id: VendorId,
    input: VendorIntroduction,
) -> Result<Result<Introduction, Rejected>, Refusal> {
    let parsed = Code::parse("handle", &input.handle)
        .and_then(|handle| Ok((handle, parse_texts("name", &input.name)?)))
        .and_then(|(handle, name)| {
            Ok((handle, name, input.contact.as_ref().map(ContactInput::parse).transpose()?))
        });
    let (handle, name, contact) = match parsed {
        Ok(parsed) => parsed,
        Err(rejected) => return Ok(Err(rejected)),
    };
    let contact = seal_contact(mutation, PersonId(id.0), contact.as_ref()).await?;
    Ok(Ok(Introduction { handle, name, contact }))
}

async fn tell(
    mutation: &Mutation<'_>,
    Id(id): Id<VendorId>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<VendorResult, Refusal> {
    let tell = command.map(|command| OnlyOwn {
        own: mutation.own(),
        thing: Thing::Vendor(id),
        then: Tell::<vendor::Vendor> { id, command },
    });
    answer(mutation, id, tell, expected).await
}

async fn answer(
    mutation: &Mutation<'_>,
    id: VendorId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<VendorResult, Refusal> {
    let streams = [vendor::Vendor::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<Vendor, _>(intention, expected, id, &streams).await?;
    Ok(VendorResult::of(mutation.services, outcome))
}

/// What became of a vendor that is introduced: all that rules may refuse of the input is in its introduction.
async fn introduced(
    mutation: &Mutation<'_>,
    id: VendorId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<VendorResult, Refusal> {
    let mut result = answer(mutation, id, intention, expected).await?;
    if let VendorResult::Rejection(Rejection { field: Some(field), .. }) = &mut result {
        *field = format!("introduction.{field}");
    }
    Ok(result)
}
