//! The sample city a newcomer meets: small, always the same, made through the commands everybody uses, with the
//! sagas doing their part. Made once; a second start finds it.

use anyhow::{Context, bail};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::calendar::Zone;
use cityos_domain::commission::adding::AddRule;
use cityos_domain::commission::rules::{self, CommissionRules, Conditions, Fee, Rule};
use cityos_domain::foundation::place::{CreatePlace, Level};
use cityos_domain::foundation::store::{OpenStore, Opening, StoreKind};
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration};
use cityos_domain::foundation::tenant::{self, Policies, Tenant, Tier};
use cityos_domain::ids::{
    CommandId, CustomerId, OfferId, OrderId, PersonId, ProductCategoryId, StoreId, TenantId, VendorId, derive,
};
use cityos_domain::ledger::book::LedgerOf;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::{Payout, Trigger, payout_id};
use cityos_domain::log::{Actor, Meta, Origin, Partition};
use cityos_domain::marketplace::customer::{Contact, RegisterCustomer};
use cityos_domain::marketplace::offer::{ListOffer, Listing, Price};
use cityos_domain::marketplace::product::CreateProduct;
use cityos_domain::marketplace::product_category::CreateCategory;
use cityos_domain::marketplace::stock::ReceiveStock;
use cityos_domain::marketplace::vendor::{self, ApplyAsVendor, Introduction, KycStatus, Stage, Vendor};
use cityos_domain::money::{Currency, Money, Rate};
use cityos_domain::orders::canceling::CancelPart;
use cityos_domain::orders::order::{Cart, Order, RequestedLine, part_id};
use cityos_domain::orders::requesting::RequestOrder;
use cityos_domain::orders::shipping::{DeliverPart, ShipPart};
use cityos_domain::orders::vendor_order::{CancelCause, VendorOrder};
use cityos_domain::text::{Code, LocalText, Locale, Reason, Slug};
use cityos_domain::workspace::{Intention, Tell};
use cityos_eventstore::executor::{Command, Executor};
use cityos_eventstore::sealing::Sealer;
use cityos_eventstore::store::InputHash;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the sagas may take for any one thing the sample waits for.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);

/// How often a change is looked for at the latest.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The sample tenant.
pub fn tenant() -> TenantId {
    TenantId(id("tenant/souq"))
}

fn id(name: &str) -> Uuid {
    derive(&["sample", name])
}

/// Vendors: handle, English and Arabic name.
const VENDORS: &[(&str, &str, &str)] = &[
    ("palm-house", "Palm House Dates", "بيت النخيل"),
    ("spice-lane", "Spice Lane", "درب التوابل"),
    ("clay-works", "Clay Works", "أعمال الطين"),
];

/// Categories: slug and name.
const CATEGORIES: &[(&str, &str)] = &[("pantry", "Pantry"), ("home", "Home")];

/// Code, title, category, vendor, price, freight, and units on hand where they are counted.
type ProductWithOffer =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, Option<u32>);

/// Products with their one offer.
const PRODUCTS: &[ProductWithOffer] = &[
    ("dates-ajwa", "Ajwa dates, 1 kg", "pantry", "palm-house", "85.00", "12.00", Some(40)),
    ("dates-sukkari", "Sukkari dates, 1 kg", "pantry", "palm-house", "38.50", "12.00", Some(60)),
    ("cardamom", "Green cardamom, 250 g", "pantry", "spice-lane", "64.25", "8.00", None),
    ("saffron", "Saffron, 5 g", "pantry", "spice-lane", "99.95", "8.00", Some(25)),
    ("coffee", "Khawlani coffee, 500 g", "pantry", "spice-lane", "72.00", "8.00", None),
    ("dallah", "Clay coffee pot", "home", "clay-works", "140.00", "20.00", Some(12)),
    ("incense-burner", "Incense burner", "home", "clay-works", "55.75", "15.00", None),
];

/// Makes the sample city as far as it is not there. The engine must be running.
pub async fn load(executor: &Executor, sealer: &Sealer) -> anyhow::Result<()> {
    Sample { executor, sealer }.load().await.context("making the sample city")
}

struct Sample<'a> {
    executor: &'a Executor,
    sealer: &'a Sealer,
}

impl Sample<'_> {
    async fn load(&self) -> anyhow::Result<()> {
        // The last thing that is made: whoever finds it finds everything.
        let last = payout_id(LedgerOf { vendor: vendor("palm-house"), currency: riyals() }, 0, 0);
        let (payout, _) = self.executor.load::<Payout>(Partition::Tenant(tenant()), last).await?;
        if *payout != Payout::Unknown {
            return Ok(());
        }
        self.city().await?;
        self.market().await?;
        self.catalog().await?;
        self.people().await?;
        self.orders().await
    }

    /// Gives one command, under an id that is the same at every start.
    async fn give(&self, partition: Partition, name: &str, intention: &dyn Intention) -> anyhow::Result<()> {
        let command = CommandId(id(name));
        let meta = Meta::of(command, Actor("sample".into()), Origin::Live);
        let at = self.executor.clock().now();
        let command = Command { partition, at, meta, input: InputHash([0; 32]), expected: None };
        self.executor.execute(&command, intention).await.with_context(|| name.to_owned())?;
        Ok(())
    }

    async fn tell(&self, name: &str, intention: &dyn Intention) -> anyhow::Result<()> {
        self.give(Partition::Tenant(tenant()), name, intention).await
    }

    /// Waits until the sagas have brought an aggregate of the sample tenant where `there` says.
    async fn until<A: Aggregate>(
        &self,
        what: &str,
        id: A::Id,
        there: impl Fn(&A) -> bool,
    ) -> anyhow::Result<Arc<A>> {
        let begun = Instant::now();
        loop {
            let head = self.executor.store().head().await?;
            let (state, _) = self.executor.load::<A>(Partition::Tenant(tenant()), id).await?;
            if there(&state) {
                return Ok(state);
            }
            if begun.elapsed() > WAIT_AT_MOST {
                bail!("{what} took longer than {WAIT_AT_MOST:?}");
            }
            self.executor.store().changed(head, LOOK_EVERY).await;
        }
    }

    async fn city(&self) -> anyhow::Result<()> {
        let places = [
            ("place/sa", Level::Country, None, "sa", "Saudi Arabia"),
            ("place/riyadh", Level::Scope, Some("place/sa"), "riyadh", "Riyadh"),
            ("place/food", Level::Category, Some("place/riyadh"), "food", "Food and home"),
            ("place/markets", Level::Subcategory, Some("place/food"), "markets", "Markets"),
        ];
        for (name, level, parent, slug, title) in places {
            let parent = parent.map(|parent| id(parent).into());
            let slug = Slug::parse("slug", slug)?;
            let create = CreatePlace { id: id(name).into(), level, parent, slug, name: english(title)? };
            self.give(Partition::Platform, name, &create).await?;
        }
        Ok(())
    }

    async fn market(&self) -> anyhow::Result<()> {
        let registration = Registration {
            slug: Slug::parse("slug", "souq")?,
            name: in_both("Riyadh Souq", "سوق الرياض")?,
            subcategory: Some(id("place/markets").into()),
            zone: Zone::parse("zone", "Asia/Riyadh")?,
            locale: Locale::parse("locale", "en")?,
            currency: riyals(),
            tier: Tier::Professional,
        };
        self.give(Partition::Platform, "tenant", &RegisterTenant { id: tenant(), registration }).await?;
        self.until::<Tenant>("opening the tenant", tenant(), |tenant| *tenant != Tenant::Unknown).await?;
        self.tell("activate", &Tell::<Tenant> { id: tenant(), command: tenant::Command::Activate }).await?;
        let payout_minimum_minor = BTreeMap::from([(riyals(), 2_500)]);
        let policies = Policies { payout_minimum_minor, ..Policies::default() };
        let command = tenant::Command::ChangePolicies(policies);
        self.tell("policies", &Tell::<Tenant> { id: tenant(), command }).await?;
        let opening = Opening {
            slug: Slug::parse("slug", "main")?,
            name: english("Riyadh Souq")?,
            brand: "Riyadh Souq".into(),
            kind: StoreKind::Marketplace,
            currencies: vec![riyals()],
            locales: vec![Locale::parse("locale", "en")?, Locale::parse("locale", "ar")?],
            regions: Vec::new(),
        };
        self.tell("store", &OpenStore { id: store(), opening }).await?;

        let tenant = tenant();
        let fee = Fee::percent(Rate::parse_percent("rate", "10")?);
        let rule = rules::Command::ChangeCatchAll { fee };
        self.tell("catch-all", &Tell::<CommissionRules> { id: tenant, command: rule }).await?;
        let enable = rules::Command::Enable { rule: rules::catch_all() };
        self.tell("catch-all/on", &Tell::<CommissionRules> { id: tenant, command: enable }).await
    }

    async fn catalog(&self) -> anyhow::Result<()> {
        for (slug, name) in CATEGORIES {
            let slug = Slug::parse("slug", slug)?;
            let create = CreateCategory {
                id: category(slug.as_str()),
                parent: None,
                slug: slug.clone(),
                name: english(name)?,
            };
            self.tell(&format!("category/{slug}"), &create).await?;
        }
        let conditions = Conditions { categories: vec![category("home")], ..Conditions::default() };
        let fee = Fee::percent(Rate::parse_percent("rate", "8")?);
        let rule = Rule { id: id("rule/home").into(), name: "Home, 8 %".into(), conditions, fee };
        self.tell("rule/home", &AddRule { rule }).await?;

        for (handle, name, arabic) in VENDORS {
            let introduction = Introduction {
                handle: Code::parse("handle", handle)?,
                name: in_both(name, arabic)?,
                contact: None,
            };
            let id = vendor(handle);
            self.tell(&format!("vendor/{handle}"), &ApplyAsVendor { id, introduction }).await?;
            let has_account = |vendor: &Vendor| matches!(vendor, Vendor::Known(profile) if profile.payout_account.is_some());
            self.until::<Vendor>("opening a payout account", id, has_account).await?;
            let kyc = |status, reason| {
                anyhow::Ok(vendor::Command::ChangeKyc { status, reason: Reason::parse("reason", reason)? })
            };
            let steps = [
                ("submit", vendor::Command::SubmitForReview),
                ("kyc", kyc(KycStatus::Pending, "the sample's papers are looked at")?),
                ("kyc/verified", kyc(KycStatus::Verified, "the sample's papers are in order")?),
                ("approve", vendor::Command::Approve { evidence: 1 }),
            ];
            for (step, command) in steps {
                self.tell(&format!("vendor/{handle}/{step}"), &Tell::<Vendor> { id, command }).await?;
            }
            let approved = |vendor: &Vendor| matches!(vendor, Vendor::Known(profile) if profile.stage == Stage::Approved);
            self.until::<Vendor>("approving a vendor", id, approved).await?;
        }
        for (code, title, category_slug, handle, price, freight, units) in PRODUCTS {
            let product = id(&format!("product/{code}")).into();
            let create = CreateProduct {
                id: product,
                code: Code::parse("code", code)?,
                title: english(title)?,
                category: Some(category(category_slug)),
                weight_g: None,
            };
            self.tell(&format!("product/{code}"), &create).await?;
            let unit = Money::parse("price", price, riyals())?;
            let freight_minor = Money::parse("freight", freight, riyals())?.minor;
            let listing = Listing {
                vendor: vendor(handle),
                product,
                sku: Code::parse("sku", code)?,
                prices: vec![Price { unit, freight_minor, includes_tax: false }],
                stock_tracked: units.is_some(),
            };
            self.tell(&format!("offer/{code}"), &ListOffer { id: offer(code), listing }).await?;
            if let Some(quantity) = *units {
                let receive = ReceiveStock { offer: offer(code), quantity };
                self.tell(&format!("stock/{code}"), &receive).await?;
            }
        }
        Ok(())
    }

    async fn people(&self) -> anyhow::Result<()> {
        for (name, contact) in [("noura", contact("Noura Example")), ("omar", contact("Omar Example"))] {
            let customer = customer(name);
            let person = PersonId(customer.0);
            let contact = Some(self.sealer.seal(tenant(), person, Contact::FIELD, &contact).await?);
            let register = RegisterCustomer { id: customer, guest: false, contact };
            self.tell(&format!("customer/{name}"), &register).await?;
        }
        Ok(())
    }

    async fn orders(&self) -> anyhow::Result<()> {
        let waiting = [("dates-sukkari", 2), ("coffee", 1)];
        self.place("waiting", "omar", &waiting).await?;

        let changed = [("saffron", 1), ("incense-burner", 1)];
        let order = self.place("changed", "noura", &changed).await?;
        let part = part_id(order, vendor("clay-works"));
        self.tell("order/changed/cancel", &CancelPart { part, cause: CancelCause::Customer }).await?;

        let three = [("dates-ajwa", 2), ("cardamom", 1), ("dallah", 1)];
        let order = self.place("delivered", "noura", &three).await?;
        for (handle, _, _) in VENDORS {
            let part = part_id(order, vendor(handle));
            let name = format!("order/delivered/{handle}");
            let tracking = Some(format!("SAMPLE-{handle}"));
            self.tell(&format!("{name}/ship"), &ShipPart { part, tracking }).await?;
            let captured = |part: &VendorOrder| part.known().is_ok_and(|part| part.is_captured());
            self.until::<VendorOrder>("capturing a part", part, captured).await?;
            self.tell(&format!("{name}/deliver"), &DeliverPart { part }).await?;
        }
        let payout =
            RequestPayout { vendor: vendor("palm-house"), currency: riyals(), trigger: Trigger::Manual };
        self.tell("payout", &payout).await
    }

    async fn place(&self, name: &str, buyer: &str, lines: &[(&str, u32)]) -> anyhow::Result<OrderId> {
        let order = OrderId(id(&format!("order/{name}")));
        let line = |(code, quantity): &(&str, u32)| RequestedLine {
            offer: offer(code),
            quantity: *quantity,
            expected_unit: None,
            freight_minor: None,
            includes_tax: None,
        };
        let cart = Cart {
            store: store(),
            customer: customer(buyer),
            currency: riyals(),
            lines: lines.iter().map(line).collect(),
            discount: None,
            reference: Some(Code::parse("reference", &format!("SAMPLE-{name}"))?),
        };
        self.tell(&format!("order/{name}"), &RequestOrder { order, cart }).await?;
        let decided = |order: &Order| matches!(order, Order::Placed { .. } | Order::Declined(_));
        let placed = self.until::<Order>("a checkout", order, decided).await?;
        match &*placed {
            Order::Placed { .. } => Ok(order),
            Order::Unknown | Order::Requested(_) | Order::Declined(_) => {
                bail!("the order `{name}` was declined")
            }
        }
    }
}

fn riyals() -> Currency {
    Currency::parse("currency", "SAR").expect("SAR is a currency")
}

fn store() -> StoreId {
    StoreId(id("store/main"))
}

fn vendor(handle: &str) -> VendorId {
    VendorId(id(&format!("vendor/{handle}")))
}

fn category(slug: &str) -> ProductCategoryId {
    ProductCategoryId(id(&format!("category/{slug}")))
}

fn offer(code: &str) -> OfferId {
    OfferId(id(&format!("offer/{code}")))
}

fn customer(name: &str) -> CustomerId {
    CustomerId(id(&format!("customer/{name}")))
}

fn contact(name: &str) -> Contact {
    Contact { name: name.into(), address: vec!["Olaya Street".into(), "Riyadh".into()], ..Contact::default() }
}

fn english(text: &str) -> anyhow::Result<LocalText> {
    Ok(LocalText::parse("name", [(Locale::parse("locale", "en")?, text.to_owned())])?)
}

fn in_both(text: &str, arabic: &str) -> anyhow::Result<LocalText> {
    let texts = [
        (Locale::parse("locale", "en")?, text.to_owned()),
        (Locale::parse("locale", "ar")?, arabic.to_owned()),
    ];
    Ok(LocalText::parse("name", texts)?)
}
