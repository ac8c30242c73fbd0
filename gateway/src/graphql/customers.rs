//! Customers: who buys. How to reach them is opened only for admins of their tenant and themselves.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, filter, for_buyers, lists, lookups, ordering};
use crate::graphql::ids::Id;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::sealing::{
    has_email, is_there, open_contact, persons_by_email, remember_email, seal_contact,
};
use crate::graphql::services::{Scope, reading, services};
use crate::graphql::staleness::stale;
use crate::graphql::values::{ContactInput, ContactOut};
use crate::ownership::{OnlyOwn, Thing};
use async_graphql::{Context, InputObject, Object};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{CustomerId, PersonId};
use cityos_domain::marketplace::customer::{self, Command, Contact, RegisterCustomer};
use cityos_domain::rejection::Rejected;
use cityos_domain::sealed::Sealed;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::models::customers::{self, Customers};
use cityos_projections::{Filter, Query};
use futures_util::future::try_join_all;

/// Someone who buys.
pub struct Customer {
    scope: Scope,
    row: customers::Customer,
}

impl Node for Customer {
    type Model = Customers;

    fn visible(own: Own) -> Option<Filter<customers::Customer>> {
        for_buyers(own, customers::Customer::id())
    }

    fn show(scope: Scope, row: customers::Customer) -> Self {
        Customer { scope, row }
    }
}

#[Object]
impl Customer {
    /// Their id.
    async fn id(&self) -> Id<CustomerId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Whether they bought without an account.
    async fn guest(&self) -> bool {
        self.row.guest
    }

    /// Since when they are known.
    async fn known_since(&self) -> DateTime<Utc> {
        self.row.known_since
    }

    /// How to reach them. Null for vendors, and once the person is forgotten.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<ContactOut>, Refusal> {
        match (&self.row.contact, self.scope.own) {
            (Some(sealed), Own::All | Own::Customer(_)) => {
                open_contact(ctx, self.scope.partition, sealed).await
            }
            (Some(_), Own::Vendor(_)) | (None, _) => Ok(None),
        }
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Customers>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which customers.
    CustomerFilter for Customers {
        /// Known since this moment or later.
        known_from: DateTime<Utc> => |from| customers::Customer::known_since().from(from);
    }
}

ordering! {
    /// In which order.
    CustomerSort for Customers {
        /// The latest first.
        Newest => customers::Customer::known_since().descending();
        /// The earliest first.
        Oldest => customers::Customer::known_since().ascending();
    }
}

lists! {
    /// The customers. A customer sees themselves.
    CustomerList { customers: Customer, Action::Customers, CustomerFilter, CustomerSort }
}

lookups! {
    /// One customer.
    CustomerLookup { customer: Customer, Action::Customer, CustomerId => customers::Customer::id() }
}

/// Looking up customers by what is known about them.
#[derive(Default)]
pub struct CustomersByEmail;

#[Object]
impl CustomersByEmail {
    /// The customers with this e-mail address, the latest first: several, where one bought as a guest. It is looked
    /// up by a keyed hash that is deleted with the person's key; the address itself stands nowhere in the clear.
    /// Refused where more than 1,000 have or had it.
    async fn customers_by_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address, in whatever case.")] email: String,
        #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
        at_least: Option<PositionToken>,
    ) -> Result<Vec<Customer>, Refusal> {
        let scope = reading(ctx, Action::CustomersByEmail, at_least.as_ref()).await?;
        let persons = persons_by_email(ctx, scope.partition, &email).await?;
        let ids = customers::Customer::id().is_in(persons.into_iter().map(|person| CustomerId(person.0)));
        let newest = customers::Customer::known_since().descending();
        let query = Query::<Customers>::new(scope.partition).filter(ids).sort(newest);
        let rows = query.fetch(&services(ctx).reads).await?;
        let customers: Vec<_> = rows.into_iter().map(|row| Customer::show(scope, row)).collect();
        let contacts = try_join_all(customers.iter().map(|customer| customer.contact(ctx))).await?;
        let found = customers.into_iter().zip(contacts).filter(|(_, contact)| {
            // Former addresses are remembered too.
            contact.as_ref().is_some_and(|contact| has_email(contact, &email))
        });
        Ok(found.map(|(customer, _)| customer).collect())
    }
}

answers! {
    /// What became of a customer.
    CustomerResult, CustomerChanged { customer: Customer }
}

/// A new customer.
#[derive(InputObject)]
pub struct RegisterCustomerInput {
    /// Whether they buy without an account.
    #[graphql(default)]
    guest: bool,
    /// How to reach them.
    contact: Option<ContactInput>,
}

/// How to reach a customer from now on.
#[derive(InputObject)]
pub struct ChangeCustomerContactInput {
    /// The customer.
    customer: Id<CustomerId>,
    /// How to reach them.
    contact: ContactInput,
}

mutations! {
    /// Mutations of customers.
    CustomerMutations {
        /// Someone is known as a buyer.
        register_customer = RegisterCustomer(mutation, input: RegisterCustomerInput, expected) -> CustomerResult {
            let id = mutation.command().creates("customer");
            let guest = input.guest;
            let register = |contact| RegisterCustomer { id, guest, contact };
            let contact = input.contact.as_ref().map(ContactInput::parse).transpose();
            reached_by(mutation, id, contact, register, expected).await
        }

        /// A customer is reached in another way.
        change_customer_contact
            = ChangeCustomerContact(mutation, input: ChangeCustomerContactInput, expected) -> CustomerResult {
            let Id(id) = input.customer;
            let (own, thing) = (mutation.own(), Thing::Customer(id));
            let change = |contact: Option<_>| {
                let contact = contact.expect("the input has one");
                let then = Tell::<customer::Customer> { id, command: Command::ChangeContact { contact } };
                OnlyOwn { own, thing, then }
            };
            let contact = match may_change(mutation, id).await? {
                true => input.contact.parse().map(Some),
                false => Err(customer::Rejection::Unknown.into()),
            };
            reached_by(mutation, id, contact, change, expected).await
        }
    }
}

/// Whether there is such a customer, and the caller's: the intention asks again.
async fn may_change(mutation: &Mutation<'_>, id: CustomerId) -> Result<bool, Refusal> {
    let theirs = match mutation.own() {
        Own::All => true,
        Own::Customer(own) => own == id,
        Own::Vendor(_) => false,
    };
    Ok(theirs && is_there::<customer::Customer>(mutation, id).await?)
}

/// Gives an intention that tells how a customer is reached: sealed before there is a command that could carry it,
/// and findable by e-mail once it is done.
async fn reached_by<I: Intention>(
    mutation: &Mutation<'_>,
    id: CustomerId,
    contact: Result<Option<Contact>, Rejected>,
    intention: impl FnOnce(Option<Sealed<Contact>>) -> I,
    expected: Option<u64>,
) -> Result<CustomerResult, Refusal> {
    let person = PersonId(id.0);
    let sealed = match &contact {
        Ok(contact) => Ok(seal_contact(mutation, person, contact.as_ref()).await?),
        Err(rejected) => Err(rejected.clone()),
    };
    let streams = [customer::Customer::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<Customer, _>(sealed.map(intention), expected, id, &streams).await?;
    if let (Ok(_), Ok(Some(contact))) = (&outcome, &contact) {
        remember_email(mutation, person, contact).await?;
    }
    Ok(CustomerResult::of(mutation.services, outcome))
}
